package palimpsest.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Steps done and time left, on standard error. It knows nothing of records or tokens: in a private
 * run their rates would print the sizes of the drawn batches.
 */
public final class Progress implements AutoCloseable {
  /** A bar redrawn in place, a line every tenth of the way, or nothing. */
  public enum Style {
    BAR,
    LINES,
    SILENT
  }

  private static final int BAR_WIDTH = 30;
  private static final long REDRAW_NANOS = 100_000_000L;

  private final PrintWriter err;
  private final Style style;
  private final String task;
  private final long total;
  private final LongSupplier nanoClock;
  private final long start;
  private long done;
  private long lastDrawn;
  private long lastTenth;

  /**
   * @param total steps to come, at least 1
   * @param nanoClock a clock such as {@link System#nanoTime}
   */
  public Progress(PrintWriter err, Style style, String task, long total, LongSupplier nanoClock) {
    if (total < 1) {
      throw new IllegalArgumentException("progress over " + total + " steps: needs at least 1");
    }
    this.err = err;
    this.style = style;
    this.task = task;
    this.total = total;
    this.nanoClock = nanoClock;
    this.start = nanoClock.getAsLong();
    this.lastDrawn = start - REDRAW_NANOS;
  }

  /** Reports that {@code done} steps in all are finished; never less than before. */
  public synchronized void update(long done) {
    this.done = Math.clamp(done, this.done, total);
    switch (style) {
      case BAR -> redraw(false);
      case LINES -> line();
      case SILENT -> {}
    }
  }

  /** Ends the display; a bar that stopped early stays where it was. */
  @Override
  public synchronized void close() {
    if (style == Style.BAR) {
      redraw(true);
      err.println();
      err.flush();
    }
  }

  private void redraw(boolean always) {
    long now = nanoClock.getAsLong();
    if (!always && done < total && now - lastDrawn < REDRAW_NANOS) {
      return;
    }
    lastDrawn = now;
    int filled = (int) (BAR_WIDTH * done / total);
    err.printf(
        "\r\033[K%s [%s%s] %d/%d  %s",
        task, "=".repeat(filled), " ".repeat(BAR_WIDTH - filled), done, total, time(now));
    err.flush();
  }

  private void line() {
    long tenth = 10 * done / total;
    if (tenth == lastTenth) {
      return;
    }
    lastTenth = tenth;
    err.printf("%s: %d of %d steps, %s%n", task, done, total, time(nanoClock.getAsLong()));
    err.flush();
  }

  private String time(long now) {
    long elapsed = now - start;
    if (done >= total) {
      return "took " + clock(elapsed);
    }
    return done == 0 ? "" : clock((long) ((double) elapsed / done * (total - done))) + " left";
  }

  private static String clock(long nanos) {
    Duration time = Duration.ofNanos(nanos);
    return time.toHours() > 0
        ? "%d:%02d:%02d".formatted(time.toHours(), time.toMinutesPart(), time.toSecondsPart())
        : "%d:%02d".formatted(time.toMinutesPart(), time.toSecondsPart());
  }
}
