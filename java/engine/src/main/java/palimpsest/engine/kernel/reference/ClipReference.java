package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Clip;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * {@link Clip} in plain loops. Its integers are the definition that every provider must match to
 * the bit:
 *
 * <ul>
 *   <li>The product factor * g is one IEEE multiplication, to nearest: in float64 for an F64
 *       gradient; in float32, with the factor first rounded to float32, for an F32 gradient.
 *   <li>NaN becomes 0; then the product is truncated toward zero and clamped to |z| <= bound, so an
 *       infinite product becomes +-bound.
 *   <li>A factor that is negative or NaN, or not finite in the type of the product, drops the
 *       example. So does a sum of squares above 2^60: a larger one could wrap elsewhere.
 *   <li>Afterwards the gradient holds the integers that entered the sums, as numbers of its type
 *       (|z| <= 2^24 is exact in float32); all zero for a dropped example.
 * </ul>
 */
final class ClipReference implements Clip {
  private static final int MAX_BOUND = 1 << 24;

  /** Largest trusted sum of squares: one more square, at most 2^48, is far from wrapping. */
  private static final long MAX_TOTAL = 1L << 60;

  private static final int SHRINK_BITS = 32;

  @Override
  public double exampleNorm(Tensor gradient) {
    double sum = 0;
    for (long i = 0; i < gradient.size(); i++) {
      double g = gradient.get(i);
      sum += g * g;
    }
    return sum;
  }

  @Override
  public Outcome accumulate(Tensor gradient, double factor, int bound, Tensor sums) {
    if (bound < 1 || bound > MAX_BOUND) {
      throw new IllegalArgumentException("bound " + bound + " is not in [1, " + MAX_BOUND + "]");
    }
    Check.type("gradient", gradient, DType.F64, DType.F32);
    Check.type("sums", sums, DType.I64);
    Check.vector("sums", sums, gradient.size());
    double rounded = gradient.type() == DType.F32 ? (float) factor : factor;
    if (!(factor >= 0) || !Double.isFinite(rounded)) {
      gradient.fill(0);
      return Outcome.DROPPED;
    }
    long total = truncate(gradient, rounded, bound);
    if (total > MAX_TOTAL) {
      gradient.fill(0);
      return Outcome.DROPPED;
    }
    boolean within = total <= (long) bound * bound;
    if (!within) {
      shrink(gradient, total, bound);
    }
    for (long i = 0; i < gradient.size(); i++) {
      sums.setLong(i, sums.getLong(i) + (long) gradient.get(i));
    }
    return within ? Outcome.ACCEPTED : Outcome.REPAIRED;
  }

  /**
   * Replaces g by its integers; returns the sum of their squares, or some number above {@link
   * #MAX_TOTAL} as soon as the sum is above it.
   */
  private static long truncate(Tensor gradient, double factor, int bound) {
    boolean single = gradient.type() == DType.F32;
    long total = 0;
    for (long i = 0; i < gradient.size(); i++) {
      double g = gradient.get(i);
      double product = single ? (float) factor * (float) g : factor * g;
      long z = integer(product, bound);
      total += z * z;
      if (total > MAX_TOTAL) {
        return total;
      }
      gradient.set(i, z);
    }
    return total;
  }

  /** What a product becomes on the grid. */
  static long integer(double product, long bound) {
    if (Double.isNaN(product)) {
      return 0;
    }
    // The cast truncates toward zero and saturates; comparing after it keeps infinities in order.
    return Math.clamp((long) product, -bound, bound);
  }

  /**
   * z' = sign(z) floor(|z| F / 2^32): |z'| <= |z| bound / ceil(sqrt(total)), hence a norm of at
   * most the bound. |z| F < 2^56 fits a long.
   */
  private static void shrink(Tensor gradient, long total, int bound) {
    long ratio = Clip.share(total, bound);
    for (long i = 0; i < gradient.size(); i++) {
      gradient.set(i, share((long) gradient.get(i), ratio));
    }
  }

  /** sign(z ratio) floor(|z ratio| / 2^32), for |z| <= 2^24 and |ratio| <= 2^32. */
  static long share(long z, long ratio) {
    long magnitude = Math.abs(z * ratio) >>> SHRINK_BITS;
    return (z < 0) != (ratio < 0) ? -magnitude : magnitude;
  }

  /** A total that was once above {@link #MAX_TOTAL} stays above it. */
  static long addTotal(long total, long square) {
    return total > MAX_TOTAL ? total : total + square;
  }
}
