package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.List;

/**
 * Whether two scores rank the same configurations alike: classifier settings by synthetic and by
 * real validation, say. A higher score is better.
 *
 * @param configurations how many were scored
 * @param depth of the lists that the rank-biased overlap compares: the best quarter, rounded up
 * @param rankBiasedOverlap RBO_EXT (Webber, Moffat and Zobel, "A similarity measure for indefinite
 *     rankings", TOIS 28, 2010, equation 32) of the two lists cut at {@code depth}: the agreement
 *     there is taken to go on for ever. 0 to 1
 * @param spearman Spearman's rho, equals sharing their mean rank; NaN if one list is all equal
 * @param kendall Kendall's tau-b (Kendall, "The treatment of ties in ranking problems", Biometrika
 *     33, 1945); NaN if one list is all equal
 */
public record RankAgreement(
    int configurations, int depth, double rankBiasedOverlap, double spearman, double kendall) {
  /** How likely a reader of the rankings goes on from one rank to the next, unless told. */
  public static final double PERSISTENCE = 0.9;

  private static final int BEST_SHARE = 4;

  /** Compares with the usual persistence. */
  public static RankAgreement of(double[] a, double[] b) {
    return of(a, b, PERSISTENCE);
  }

  /**
   * Compares, in O(n^2).
   *
   * @param a n finite scores, n at least 2
   * @param b n finite scores of the same configurations in the same order
   * @param persistence p of the rank-biased overlap, in (0, 1)
   */
  public static RankAgreement of(double[] a, double[] b, double persistence) {
    if (a.length != b.length || a.length < 2) {
      throw new IllegalArgumentException(
          "need two scores of each of at least two configurations, got %d and %d"
              .formatted(a.length, b.length));
    }
    if (!(persistence > 0 && persistence < 1)) {
      throw new IllegalArgumentException("persistence must be in (0, 1), got " + persistence);
    }
    if (!Arrays.stream(a).allMatch(Double::isFinite)
        || !Arrays.stream(b).allMatch(Double::isFinite)) {
      throw new IllegalArgumentException("a score is not finite");
    }
    List<Exposure.Result> placesInA = places(a);
    List<Exposure.Result> placesInB = places(b);
    int depth = (a.length + BEST_SHARE - 1) / BEST_SHARE;
    return new RankAgreement(
        a.length,
        depth,
        rankBiasedOverlap(placesInA, placesInB, depth, persistence),
        correlation(meanRanks(placesInA), meanRanks(placesInB)),
        kendall(a, b));
  }

  /**
   * Equal scores have one rank and enter the list together, so that it may be longer than its
   * depth; the agreement of two lists is then 2 |A and B| / (|A| + |B|), as in the same paper.
   */
  private static double rankBiasedOverlap(
      List<Exposure.Result> a, List<Exposure.Result> b, int depth, double persistence) {
    double sum = 0;
    double agreement = 0;
    double weight = 1 - persistence;
    for (int d = 1; d <= depth; d++) {
      int both = 0;
      int entries = 0;
      for (int i = 0; i < a.size(); i++) {
        boolean inA = a.get(i).above() < d;
        boolean inB = b.get(i).above() < d;
        both += inA && inB ? 1 : 0;
        entries += (inA ? 1 : 0) + (inB ? 1 : 0);
      }
      agreement = 2.0 * both / entries;
      sum += weight * agreement;
      weight *= persistence;
    }
    return sum + agreement * Math.pow(persistence, depth);
  }

  private static List<Exposure.Result> places(double[] scores) {
    return Arrays.stream(scores).mapToObj(score -> Exposure.Result.of(score, scores)).toList();
  }

  /**
   * All are half a rank too large, since each score is tied with itself: no correlation changes.
   */
  private static double[] meanRanks(List<Exposure.Result> places) {
    return places.stream().mapToDouble(Exposure.Result::rank).toArray();
  }

  private static double correlation(double[] x, double[] y) {
    double meanX = Arrays.stream(x).average().orElseThrow();
    double meanY = Arrays.stream(y).average().orElseThrow();
    double xx = 0;
    double yy = 0;
    double xy = 0;
    for (int i = 0; i < x.length; i++) {
      xx += (x[i] - meanX) * (x[i] - meanX);
      yy += (y[i] - meanY) * (y[i] - meanY);
      xy += (x[i] - meanX) * (y[i] - meanY);
    }
    return xy / Math.sqrt(xx * yy);
  }

  private static double kendall(double[] a, double[] b) {
    long balance = 0;
    long untiedInA = 0;
    long untiedInB = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < i; j++) {
        int orderInA = (int) Math.signum(a[i] - a[j]);
        int orderInB = (int) Math.signum(b[i] - b[j]);
        balance += (long) orderInA * orderInB;
        untiedInA += Math.abs(orderInA);
        untiedInB += Math.abs(orderInB);
      }
    }
    return balance / Math.sqrt((double) untiedInA * untiedInB);
  }
}
