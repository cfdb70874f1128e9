package palimpsest.privacy.audit;

import palimpsest.privacy.AnalyticGaussian;

/**
 * A lower bound of the noise-to-signal effect mu of a Gaussian mechanism from the scores of
 * canaries that were in the data and of canaries that were not (Nasr et al. 2023). It is far
 * stronger than {@link OneRunAudit}, because it assumes that the mechanism is Gaussian: halved
 * noise shows with a few hundred canaries.
 */
public final class GaussianAudit {
  private GaussianAudit() {}

  /**
   * A lower bound of mu that holds with probability 1 - significance.
   *
   * @param members scores of canaries in the data, larger meaning more likely in; at least 4
   * @param others scores of canaries that were not; at least 4
   * @return the bound, 0 when nothing is shown
   */
  public static double muBelow(double[] members, double[] others, double significance) {
    return ErrorRates.of(members, others, significance).stream()
        .mapToDouble(ErrorRates::effect)
        .reduce(0, Math::max);
  }

  /** The epsilon at {@code delta} that the bound of mu implies. */
  public static double epsilonBelow(
      double[] members, double[] others, double significance, double delta) {
    double mu = muBelow(members, others, significance);
    return mu > 0 ? AnalyticGaussian.epsilon(mu, delta) : 0;
  }
}
