package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Verified clipping: an example's gradient becomes integers, and the exact norm of those very
 * integers decides whether they enter the sum ({@code docs/privacy.md}). The bound is an integer
 * number of grid steps.
 */
public interface Clip {
  /** What became of an example's integers. A private figure: for tests, never for logs. */
  enum Outcome {
    /** Their norm was within the bound. */
    ACCEPTED,
    /** They were over the bound and entered shrunk. */
    REPAIRED,
    /** Their norm could not be trusted; nothing entered. */
    DROPPED
  }

  /**
   * The share of integers over the bound that may enter: floor(2^32 bound / ceil(sqrt(total))).
   * Each times this over 2^32, toward zero, together have a norm of at most the bound.
   *
   * @param total sum of their squares, in (bound^2, 2^60]
   * @param bound in [1, 2^24]
   */
  static long share(long total, int bound) {
    return ((long) bound << 32) / ceilSqrt(total);
  }

  /**
   * The bound of each of some groups that together stay within 2^bits grid steps: floor(2^bits /
   * sqrt(groups)), so that {@code groups * bound^2 <= 4^bits}.
   *
   * @param bits in [1, 24]
   * @param groups from 1
   * @throws IllegalArgumentException if there are so many that nothing could enter
   */
  static int groupBound(int bits, int groups) {
    int bound = groups < 1 ? 0 : (int) (ceilSqrt((1L << 2 * bits) / groups + 1) - 1);
    if (bound < 1) {
      throw new IllegalArgumentException(
          groups + " groups on a grid of " + bits + " bits leave no group a step");
    }
    return bound;
  }

  /** The smallest s with s * s >= n, for n in [0, 2^60]. */
  static long ceilSqrt(long n) {
    long s = (long) Math.sqrt((double) n);
    while (s * s < n) {
      s++;
    }
    while (s > 0 && (s - 1) * (s - 1) >= n) {
      s--;
    }
    return s;
  }

  /**
   * Squared L2 norm, summed in a fixed order in float64.
   *
   * @param gradient wide [P]
   * @return the squared norm; not finite if any element is not finite
   */
  double exampleNorm(Tensor gradient);

  /**
   * {@code z = trunc(factor * g)} clamped to |z| <= bound, NaN as 0; then {@code sums += z} if sum
   * z^2 <= bound^2, else {@code sums += z'} with z' = sign(z) floor(|z| F / 2^32), F = floor(2^32
   * bound / ceil(sqrt(sum z^2))). Sums wrap modulo 2^64.
   *
   * @param gradient wide [P]; overwritten (it holds the integers afterwards)
   * @param factor grid steps a unit of gradient; not finite or negative drops the example
   * @param bound in [1, 2^24]
   * @param sums I64 [P]
   */
  Outcome accumulate(Tensor gradient, double factor, int bound, Tensor sums);
}
