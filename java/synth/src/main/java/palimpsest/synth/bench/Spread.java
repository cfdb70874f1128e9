package palimpsest.synth.bench;

import java.util.Arrays;

/**
 * Repeated measurements in three figures: the median and the 20th and 80th percentile, which a few
 * disturbed rounds do not move.
 */
public record Spread(double median, double p20, double p80) {
  /**
   * Percentiles by linear interpolation between the order statistics.
   *
   * @throws IllegalArgumentException if there is no value
   */
  public static Spread of(double... values) {
    if (values.length == 0) {
      throw new IllegalArgumentException("nothing was measured");
    }
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return new Spread(quantile(sorted, 0.5), quantile(sorted, 0.2), quantile(sorted, 0.8));
  }

  private static double quantile(double[] sorted, double q) {
    double at = q * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }
}
