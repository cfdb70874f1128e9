package palimpsest.engine.train;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The sum of clipped per-example gradients as exact integers: the only way into a private update.
 * However an example's gradient was computed, what enters has an L2 norm of at most {@code
 * 2^gridBits} grid steps, that is {@link #clipNorm}, exactly ({@code docs/privacy.md}, "Verified
 * clipping"). Integers add in any order to the same bits, so workers and micro-batches do not
 * matter.
 */
public final class ClippedSum {
  /** Keeps a float norm's rounding from causing repairs: the factor is this much below C / norm. */
  private static final double MARGIN = 1e-6;

  private final Kernels kernels;
  private final double clipNorm;
  private final int gridBits;
  private final Tensor sums;
  private long repaired;
  private long dropped;

  /**
   * @param size P, the number of trained parameters
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  public ClippedSum(Kernels kernels, long size, double clipNorm, int gridBits, TensorArena arena) {
    requireGrid(clipNorm, gridBits);
    this.kernels = kernels;
    this.clipNorm = clipNorm;
    this.gridBits = gridBits;
    sums = arena.allocate(DType.I64, size);
  }

  static void requireGrid(double clipNorm, int gridBits) {
    if (!(clipNorm > 0) || Double.isInfinite(clipNorm)) {
      throw new IllegalArgumentException(
          "the clip norm must be positive and finite, not " + clipNorm);
    }
    if (gridBits < 1 || gridBits > 24) {
      throw new IllegalArgumentException("the grid must have 1 to 24 bits, not " + gridBits);
    }
  }

  /**
   * Grid steps a unit of an example's gradient: what brings its norm to C, if it is larger, a
   * little less. A norm of 0 gives as if it were small; one that is not finite NaN, which drops the
   * example.
   */
  static double factor(double normSquared, double clipNorm, int gridBits) {
    double norm = Math.sqrt(normSquared);
    double clip = norm * 0 == 0 ? Math.min(1, clipNorm / norm) : Double.NaN;
    return clip * (1 - MARGIN) * ((1L << gridBits) / clipNorm);
  }

  /**
   * Clips one example's gradient and adds it.
   *
   * @param gradient wide [P], all trained parameters of the example; overwritten
   */
  public void add(Tensor gradient) {
    double factor = factor(kernels.clip().exampleNorm(gradient), clipNorm, gridBits);
    switch (kernels.clip().accumulate(gradient, factor, gridBits, sums)) {
      case Clip.Outcome.ACCEPTED -> {}
      case Clip.Outcome.REPAIRED -> repaired++;
      case Clip.Outcome.DROPPED -> dropped++;
    }
  }

  /** Adds another sum of the same parameters. */
  public void merge(ClippedSum other) {
    if (other.sums.size() != sums.size()
        || other.clipNorm != clipNorm
        || other.gridBits != gridBits) {
      throw new IllegalArgumentException(
          "these sums do not have the same parameters, clip norm and grid");
    }
    MemorySegment mine = sums.data();
    MemorySegment theirs = other.sums.data();
    for (long at = 0; at < sums.size() * Long.BYTES; at += Long.BYTES) {
      mine.set(JAVA_LONG, at, mine.get(JAVA_LONG, at) + theirs.get(JAVA_LONG, at));
    }
    repaired += other.repaired;
    dropped += other.dropped;
  }

  /** Back to zero. */
  public void clear() {
    sums.data().fill((byte) 0);
    repaired = 0;
    dropped = 0;
  }

  /** The integers, I64 [P]. They are private until noise is added to them. */
  public Tensor sums() {
    return sums;
  }

  /** C. */
  public double clipNorm() {
    return clipNorm;
  }

  /** Log2 of C in grid steps. */
  public int gridBits() {
    return gridBits;
  }

  /** One grid step, in units of the gradient. */
  public double gridStep() {
    return clipNorm / (1L << gridBits);
  }

  /** L2 sensitivity of {@link #sums} to adding or removing one example, in grid steps. */
  public double sensitivity() {
    return 1L << gridBits;
  }

  /**
   * How many examples entered shrunk, because the float norm was wrong. Private: for tests only.
   */
  long repaired() {
    return repaired;
  }

  /**
   * How many examples contributed nothing, because their gradient was not finite. Private: for
   * tests only.
   */
  long dropped() {
    return dropped;
  }
}
