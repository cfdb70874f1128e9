package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.parallel.Workers;

/** Texts that are read whole, shared out among workers in groups that fit their buffers. */
record TextGroups(List<int[]> texts, int[] starts) {
  /** What a worker does with the texts {@code from .. to - 1}. */
  @FunctionalInterface
  interface Work {
    void of(int worker, int from, int to);
  }

  /**
   * Groups of texts that follow each other.
   *
   * @param texts as tokens, each of at most {@code maxRows}
   */
  static TextGroups of(List<int[]> texts, int maxRows, int maxExamples) {
    List<Integer> starts = new ArrayList<>();
    int rows = 0;
    for (int i = 0; i < texts.size(); i++) {
      int more = texts.get(i).length;
      if (more > maxRows) {
        throw new IllegalArgumentException(
            "a text is longer than the fixed maximum of " + maxRows + " tokens");
      }
      if (starts.isEmpty() || rows + more > maxRows || i - starts.getLast() == maxExamples) {
        starts.add(i);
        rows = 0;
      }
      rows += more;
    }
    starts.add(texts.size());
    return new TextGroups(texts, starts.stream().mapToInt(Integer::intValue).toArray());
  }

  /** Each worker takes the next group as it gets free. */
  void run(Workers workers, Work work) {
    AtomicInteger next = new AtomicInteger();
    workers.run((worker, stopped) -> {
      for (int g = next.getAndIncrement();
          g < starts.length - 1 && !stopped.getAsBoolean();
          g = next.getAndIncrement()) {
        work.of(worker, starts[g], starts[g + 1]);
      }
    });
  }

  /** Puts texts into a worker's group. */
  void fill(TokenGroup group, int from, int to) {
    group.clear();
    for (int i = from; i < to; i++) {
      int[] text = texts.get(i);
      // A last token that is not read stands where a label would.
      group.add(Arrays.copyOf(text, text.length + 1), text.length);
    }
  }
}
