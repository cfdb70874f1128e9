package palimpsest.privacy.audit;

import java.util.Arrays;
import java.util.List;
import palimpsest.privacy.SpecialFunctions;

/**
 * How well an attacker tells canaries that were in the data from canaries that were not: upper
 * confidence limits of both error rates (Nasr et al. 2023).
 *
 * @param falsePositive at most so many of the canaries that were not in are taken for members
 * @param falseNegative at most so many of the members are missed
 */
record ErrorRates(double falsePositive, double falseNegative) {

  /**
   * The rates of both halves of the canaries, each at a threshold that is picked on the other half,
   * so that picking it needs no correction. All limits hold together with probability 1 -
   * significance. One half alone would now and then be judged at a threshold that was good by
   * chance only.
   *
   * @param members scores of canaries in the data, larger meaning more likely in; at least 4
   * @param others scores of canaries that were not; at least 4
   */
  static List<ErrorRates> of(double[] members, double[] others, double significance) {
    if (members.length < 4 || others.length < 4) {
      throw new IllegalArgumentException("audit: need at least 4 scores of each kind");
    }
    if (!(significance > 0 && significance < 1)) {
      throw new IllegalArgumentException("audit: significance must be inside (0, 1)");
    }
    double[][] even = {half(members, 0), half(others, 0)};
    double[][] odd = {half(members, 1), half(others, 1)};
    return List.of(judged(odd, even, 0.5 * significance), judged(even, odd, 0.5 * significance));
  }

  /** The rates of members and others at the threshold that is best for {@code picked}. */
  private static ErrorRates judged(double[][] judged, double[][] picked, double significance) {
    double threshold = 0;
    double best = Double.NEGATIVE_INFINITY;
    for (double candidate : picked[1]) {
      double effect = at(picked[0], picked[1], candidate, significance).effect();
      if (effect > best) {
        best = effect;
        threshold = candidate;
      }
    }
    return at(judged[0], judged[1], threshold, significance);
  }

  /** The effect mu of the weakest Gaussian mechanism that allows such rates. */
  double effect() {
    return -SpecialFunctions.normalQuantile(falsePositive)
        - SpecialFunctions.normalQuantile(falseNegative);
  }

  private static double[] half(double[] scores, int parity) {
    double[] out = new double[(scores.length + 1 - parity) / 2];
    for (int i = 0; i < out.length; i++) {
      out[i] = scores[2 * i + parity];
    }
    return out;
  }

  private static ErrorRates at(
      double[] members, double[] others, double threshold, double significance) {
    long falsePositives = Arrays.stream(others).filter(score -> score > threshold).count();
    long falseNegatives = Arrays.stream(members).filter(score -> score <= threshold).count();
    return new ErrorRates(
        upperLimit(falsePositives, others.length, 0.5 * significance),
        upperLimit(falseNegatives, members.length, 0.5 * significance));
  }

  /** Upper confidence limit of a binomial rate (Clopper and Pearson 1934). */
  static double upperLimit(long hits, long trials, double significance) {
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
