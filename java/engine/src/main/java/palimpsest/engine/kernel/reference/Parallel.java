package palimpsest.engine.kernel.reference;

import java.util.stream.IntStream;

/**
 * Splits independent outputs over the common pool; who computes an output never changes its bits.
 */
final class Parallel {
  /** Multiply-adds below which a split costs more than it saves. */
  private static final long WORTH_SPLITTING = 1L << 20;

  /** Work on the outputs {@code [from, to)}. */
  interface Body {
    void run(int from, int to);
  }

  private Parallel() {}

  /**
   * Runs {@code body} over {@code [0, count)} in ranges of at most {@code chunk}.
   *
   * @param work multiply-adds of the whole
   */
  static void ranges(int count, int chunk, long work, Body body) {
    IntStream chunks = IntStream.range(0, Math.ceilDiv(count, chunk));
    if (work >= WORTH_SPLITTING) {
      chunks = chunks.parallel();
    }
    chunks.forEach(i -> body.run(i * chunk, Math.min(count, (i + 1) * chunk)));
  }
}
