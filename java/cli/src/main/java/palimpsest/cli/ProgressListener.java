package palimpsest.cli;

import java.util.function.BiFunction;
import palimpsest.synth.SynthesisListener;

/** Shows each part of a synthesis as a progress display of its own. */
final class ProgressListener implements SynthesisListener, AutoCloseable {
  private final BiFunction<String, Long, Progress> displays;
  private Progress current;

  ProgressListener(BiFunction<String, Long, Progress> displays) {
    this.displays = displays;
  }

  @Override
  public synchronized void begin(String what, long steps) {
    close();
    current = displays.apply(what, Math.max(1, steps));
  }

  @Override
  public synchronized void done(long steps) {
    current.update(steps);
  }

  @Override
  public synchronized void close() {
    if (current != null) {
      current.close();
      current = null;
    }
  }
}
