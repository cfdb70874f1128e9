package palimpsest.privacy.audit;

import java.util.Arrays;
import palimpsest.privacy.AnalyticGaussian;
import palimpsest.privacy.SpecialFunctions;

/**
 * A lower bound of the noise-to-signal effect mu of a Gaussian mechanism from the scores of
 * canaries that were in the data and of canaries that were not (Nasr et al. 2023). It is far
 * stronger than {@link OneRunAudit}, because it assumes that the mechanism is Gaussian: halved
 * noise shows with a few hundred canaries.
 */
public final class GaussianAudit {
  private GaussianAudit() {}

  /**
   * A lower bound of mu that holds with probability 1 - significance. The threshold is picked on
   * the canaries with even index and judged on the others, so that picking it needs no correction.
   *
   * @param members scores of canaries in the data, larger meaning more likely in; at least 4
   * @param others scores of canaries that were not; at least 4
   * @return the bound, 0 when nothing is shown
   */
  public static double muBelow(double[] members, double[] others, double significance) {
    if (members.length < 4 || others.length < 4) {
      throw new IllegalArgumentException("audit: need at least 4 scores of each kind");
    }
    double[] pickMembers = half(members, 0);
    double[] pickOthers = half(others, 0);
    double threshold = 0;
    double best = Double.NEGATIVE_INFINITY;
    for (double candidate : pickOthers) {
      double mu = muBelow(pickMembers, pickOthers, candidate, significance);
      if (mu > best) {
        best = mu;
        threshold = candidate;
      }
    }
    return Math.max(0, muBelow(half(members, 1), half(others, 1), threshold, significance));
  }

  /** The epsilon at {@code delta} that the bound of mu implies. */
  public static double epsilonBelow(
      double[] members, double[] others, double significance, double delta) {
    double mu = muBelow(members, others, significance);
    return mu > 0 ? AnalyticGaussian.epsilon(mu, delta) : 0;
  }

  private static double[] half(double[] scores, int parity) {
    double[] out = new double[(scores.length + 1 - parity) / 2];
    for (int i = 0; i < out.length; i++) {
      out[i] = scores[2 * i + parity];
    }
    return out;
  }

  /** mu >= Phi^-1(1 - FPR) - Phi^-1(FNR), each error rate at its upper confidence limit. */
  private static double muBelow(
      double[] members, double[] others, double threshold, double significance) {
    long falsePositives = Arrays.stream(others).filter(score -> score > threshold).count();
    long falseNegatives = Arrays.stream(members).filter(score -> score <= threshold).count();
    double fpr = upperLimit(falsePositives, others.length, 0.5 * significance);
    double fnr = upperLimit(falseNegatives, members.length, 0.5 * significance);
    return -SpecialFunctions.normalQuantile(fpr) - SpecialFunctions.normalQuantile(fnr);
  }

  /** Upper confidence limit of a binomial rate (Clopper and Pearson 1934). */
  static double upperLimit(long hits, long trials, double significance) {
    if (!(significance > 0 && significance < 1)) {
      throw new IllegalArgumentException("audit: significance must be inside (0, 1)");
    }
    if (hits == trials) {
      return 1;
    }
    double low = (double) hits / trials;
    double high = 1;
    for (int i = 0; i < 60; i++) {
      double middle = 0.5 * (low + high);
      // P[X <= hits] = P[n - X >= n - hits]
      if (SpecialFunctions.binomialTail(trials, trials - hits, 1 - middle) > significance) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return high;
  }
}
