package palimpsest.synth.evaluate;

import java.util.Arrays;

/**
 * How well scores tell members from others.
 *
 * @param auc the chance that a member scores higher than another, a tie counted half: 0.5 when
 *     nothing is told apart
 * @param lower of the 95 % interval of {@code auc}
 * @param upper of the same interval
 * @param foundAtOnePercent members above the score that 1 % of the others pass
 * @param foundAtTenPercent members above the score that 10 % of the others pass
 */
public record Separation(
    double auc,
    double lower,
    double upper,
    Proportion foundAtOnePercent,
    Proportion foundAtTenPercent) {

  /**
   * Compares the scores.
   *
   * @param members at least one finite number, larger meaning more likely a member
   * @param others at least one
   */
  public static Separation of(double[] members, double[] others) {
    if (members.length == 0 || others.length == 0) {
      throw new IllegalArgumentException("a comparison needs scores of members and of others");
    }
    double auc =
        Arrays.stream(members)
            .map(score -> 1 - (Exposure.Result.of(score, others).rank() - 1) / others.length)
            .average()
            .orElseThrow();
    return new Separation(
        auc,
        limit(auc, 0, members.length, others.length),
        limit(auc, 1, members.length, others.length),
        found(members, others, 0.01),
        found(members, others, 0.1));
  }

  /**
   * The end of the interval towards {@code end}: the farthest true value that is no more than 1.96
   * of its own standard deviations away (Newcombe, "Confidence intervals for an effect size measure
   * based on the Mann-Whitney statistic", Statistics in Medicine 25, 2006, method 5). Unlike an
   * interval from the scores' own spread it has a width where all members come first.
   */
  private static double limit(double auc, double end, int members, int others) {
    double inside = auc;
    double outside = end;
    for (int i = 0; i < 60; i++) {
      double middle = 0.5 * (inside + outside);
      if (Math.abs(auc - middle) <= Proportion.Z * deviation(middle, members, others)) {
        inside = middle;
      } else {
        outside = middle;
      }
    }
    return inside;
  }

  private static double deviation(double auc, int members, int others) {
    double pairs = 0.5 * (members + others) - 1;
    double inflation = 1 + pairs * (1 - auc) / (2 - auc) + pairs * auc / (1 + auc);
    return Math.sqrt(auc * (1 - auc) * inflation / members / others);
  }

  private static Proportion found(double[] members, double[] others, double share) {
    double[] sorted = others.clone();
    Arrays.sort(sorted);
    double threshold = sorted[sorted.length - 1 - (int) (share * sorted.length)];
    return new Proportion(
        Arrays.stream(members).filter(score -> score > threshold).count(), members.length);
  }
}
