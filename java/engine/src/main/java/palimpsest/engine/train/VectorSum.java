package palimpsest.engine.train;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A clipped sum of gradients that are held: an example's integers are made, their exact norm is
 * taken, and only then do they enter. Each worker has one of its own.
 */
public final class VectorSum extends ClippedSum {
  private final Kernels kernels;
  private final Tensor sums;

  /**
   * @param size P, the number of trained parameters
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  public VectorSum(Kernels kernels, long size, double clipNorm, int gridBits, TensorArena arena) {
    super(clipNorm, gridBits);
    this.kernels = kernels;
    sums = arena.allocate(DType.I64, size);
  }

  /** A sum that takes whole vectors. */
  public static VectorSum of(ClippedSum sum) {
    if (sum instanceof VectorSum vectors) {
      return vectors;
    }
    throw new IllegalArgumentException("this sum takes products, not vectors");
  }

  /**
   * Clips one example's gradient and adds it.
   *
   * @param gradient wide [P], all trained parameters of the example; overwritten
   */
  public void add(Tensor gradient) {
    double factor = factor(kernels.clip().exampleNorm(gradient));
    switch (kernels.clip().accumulate(gradient, factor, gridBits(), sums)) {
      case Clip.Outcome.ACCEPTED -> {}
      case Clip.Outcome.REPAIRED -> countRepaired(1);
      case Clip.Outcome.DROPPED -> countDropped(1);
    }
  }

  @Override
  VectorSum forWorker(TensorArena arena) {
    return new VectorSum(kernels, sums.size(), clipNorm(), gridBits(), arena);
  }

  @Override
  void merge(ClippedSum worker) {
    VectorSum other = of(worker);
    if (other.sums.size() != sums.size()
        || other.clipNorm() != clipNorm()
        || other.gridBits() != gridBits()) {
      throw new IllegalArgumentException(
          "these sums do not have the same parameters, clip norm and grid");
    }
    MemorySegment mine = sums.data();
    MemorySegment theirs = other.sums.data();
    for (long at = 0; at < sums.size() * Long.BYTES; at += Long.BYTES) {
      mine.set(JAVA_LONG, at, mine.get(JAVA_LONG, at) + theirs.get(JAVA_LONG, at));
    }
    countRepaired(other.repaired());
    countDropped(other.dropped());
  }

  @Override
  Tensor sumsInMemory() {
    return sums;
  }
}
