package palimpsest.engine.train;

import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.tensor.Tensor;

/**
 * Part of the examples' gradients that is computed a tile at a time, and never held: a matrix of
 * the trained parameters.
 *
 * @param offset of its first number in the flat vector of all
 * @param accumulate makes each example's integers and adds them
 * @param plain adds the whole group's gradient as floats
 */
record GradientProduct(long offset, long rows, long cols, Accumulate accumulate, Plain plain) {
  /** A kernel that makes integers of this part and adds them. */
  @FunctionalInterface
  interface Accumulate {
    /**
     * @param examples their totals are added to
     * @param sums I32 [rows, cols]
     */
    void into(ClippedExamples examples, Tensor sums);
  }

  /** A kernel that adds this part of a group's gradient, without privacy. */
  @FunctionalInterface
  interface Plain {
    /**
     * @param sums wide [rows, cols]
     */
    void into(Tensor sums);
  }

  /** This part of a flat tensor of all parameters. */
  Tensor of(Tensor flat) {
    return flat.part(offset, rows, cols);
  }

  long size() {
    return rows * cols;
  }
}
