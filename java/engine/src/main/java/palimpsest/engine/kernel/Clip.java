package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Verified clipping: an example's gradient becomes integers, and the exact norm of those very
 * integers decides whether they enter the sum ({@code docs/privacy.md}). C is 2^bits grid steps.
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
   * The share of integers over the bound that may enter: floor(2^(32 + bits) / ceil(sqrt(total))).
   * Each times this over 2^32, toward zero, together have a norm of at most 2^bits.
   *
   * @param total sum of their squares, in (4^bits, 2^60]
   */
  static long share(long total, int bits) {
    return (1L << (32 + bits)) / ceilSqrt(total);
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
   * {@code z = trunc(factor * g)} clamped to |z| <= 2^bits, NaN as 0; then {@code sums += z} if sum
   * z^2 <= 4^bits, else {@code sums += z'} with z' = sign(z) floor(|z| F / 2^32), F =
   * floor(2^(32+bits) / ceil(sqrt(sum z^2))). Sums wrap modulo 2^64.
   *
   * @param gradient wide [P]; overwritten (it holds the integers afterwards)
   * @param factor grid steps a unit of gradient: clip factor times 2^bits / C; not finite or
   *     negative drops the example
   * @param bits in [1, 24]
   * @param sums I64 [P]
   */
  Outcome accumulate(Tensor gradient, double factor, int bits, Tensor sums);
}
