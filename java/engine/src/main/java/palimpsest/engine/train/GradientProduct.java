package palimpsest.engine.train;

import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.tensor.Tensor;

/**
 * Part of the examples' gradients that is computed a tile at a time, and never held: a matrix of
 * the trained parameters.
 *
 * @param offset of its first number in the flat vector of all
 * @param accumulate the kernel
 */
record GradientProduct(long offset, long rows, long cols, Accumulate accumulate) {
  /** A kernel that makes integers of this part and adds them. */
  @FunctionalInterface
  interface Accumulate {
    /**
     * @param examples their totals are added to
     * @param sums I32 [rows, cols]
     */
    void into(ClippedExamples examples, Tensor sums);
  }

  long size() {
    return rows * cols;
  }
}
