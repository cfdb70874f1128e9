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
