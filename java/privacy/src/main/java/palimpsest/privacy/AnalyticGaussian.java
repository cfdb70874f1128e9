package palimpsest.privacy;

/**
 * Exact privacy of Gaussian noise on a query of the whole data set (Balle and Wang 2018). The
 * parameter mu is the L2 sensitivity over the standard deviation; k repetitions with mu equal one
 * with mu sqrt(k).
 */
public final class AnalyticGaussian {
  /** Below it the two terms of delta are too close to each other for their difference. */
  private static final double SMALL_MU = 0.3;

  /** Gauss and Legendre's five points: the middle, and two pairs off it in half lengths. */
  private static final double[] OFFSETS = {
    0, Math.sqrt(5 - 2 * Math.sqrt(10.0 / 7)) / 3, Math.sqrt(5 + 2 * Math.sqrt(10.0 / 7)) / 3
  };

  /** Their shares of the whole; each pair has its share twice. */
  private static final double[] WEIGHTS = {
    64.0 / 225, (322 + 13 * Math.sqrt(70)) / 1800, (322 - 13 * Math.sqrt(70)) / 1800
  };

  private AnalyticGaussian() {}

  /** ln delta at {@code epsilon}: ln [Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu)]. */
  public static double logDelta(double mu, double epsilon) {
    requirePositive("mu", mu);
    if (mu < SMALL_MU) {
      return logDeltaBySlope(mu, epsilon);
    }
    double a = SpecialFunctions.logNormalCdf(mu / 2 - epsilon / mu);
    double b = epsilon + SpecialFunctions.logNormalCdf(-mu / 2 - epsilon / mu);
    return b < a ? a + Math.log(-Math.expm1(b - a)) : Double.NEGATIVE_INFINITY;
  }

  /**
   * The same without a difference. With R = Phi / phi and x = -eps/mu, e^eps phi(x - mu/2) = phi(x
   * + mu/2), so delta = phi(x + mu/2) [R(x + mu/2) - R(x - mu/2)], and R' = 1 + x R is integrated
   * by five points, whose relative error is of the order of 1e-9 mu^10.
   */
  private static double logDeltaBySlope(double mu, double epsilon) {
    double middle = -epsilon / mu;
    double slope = WEIGHTS[0] * slope(middle);
    for (int pair = 1; pair < OFFSETS.length; pair++) {
      double offset = OFFSETS[pair] * mu / 2;
      slope += WEIGHTS[pair] * (slope(middle - offset) + slope(middle + offset));
    }
    double top = middle + mu / 2;
    return Math.log(mu * slope / Math.sqrt(2 * Math.PI)) - top * top / 2;
  }

  /** The derivative of Phi / phi; far out by its asymptotic series, where 1 + x R cancels. */
  private static double slope(double x) {
    if (x < -50) {
      double square = 1 / (x * x);
      return square * (1 - 3 * square * (1 - 5 * square * (1 - 7 * square * (1 - 9 * square))));
    }
    return 1 + x * Math.sqrt(Math.PI / 2) * SpecialFunctions.scaledErfc(-x / Math.sqrt(2));
  }

  /** Delta at {@code epsilon}. */
  public static double delta(double mu, double epsilon) {
    return Math.exp(logDelta(mu, epsilon));
  }

  /**
   * The smallest epsilon >= 0 at {@code delta} in (0, 1), from above: logDelta there is at most ln
   * delta.
   */
  public static double epsilon(double mu, double delta) {
    requireDelta(delta);
    double target = Math.log(delta);
    if (logDelta(mu, 0) <= target) {
      return 0;
    }
    double high = 1;
    while (logDelta(mu, high) > target) {
      high *= 2;
    }
    double low = 0;
    for (double mid = 0.5 * high; mid > low && mid < high; mid = 0.5 * (low + high)) {
      if (logDelta(mu, mid) > target) {
        low = mid;
      } else {
        high = mid;
      }
    }
    return high;
  }

  /** The smallest standard deviation over sensitivity that gives (epsilon, delta), from above. */
  public static double noiseMultiplier(double epsilon, double delta) {
    requireDelta(delta);
    if (!(epsilon >= 0 && epsilon < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "gaussian: epsilon is " + epsilon + ", must be finite and at least 0");
    }
    double target = Math.log(delta);
    double low = 1e-4;
    double high = 1;
    while (logDelta(1 / high, epsilon) > target) {
      low = high;
      high *= 2;
    }
    while (logDelta(1 / low, epsilon) <= target) {
      high = low;
      low /= 2;
    }
    for (double mid = 0.5 * (low + high); mid > low && mid < high; mid = 0.5 * (low + high)) {
      if (logDelta(1 / mid, epsilon) > target) {
        low = mid;
      } else {
        high = mid;
      }
    }
    return high;
  }

  /**
   * The largest true-positive rate of a test that tells the two data sets apart with the given
   * false-positive rate.
   */
  public static double truePositiveRate(double mu, double falsePositiveRate) {
    requirePositive("mu", mu);
    return SpecialFunctions.normalCdf(SpecialFunctions.normalQuantile(falsePositiveRate) + mu);
  }

  private static void requirePositive(String what, double value) {
    if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "gaussian: " + what + " is " + value + ", must be positive and finite");
    }
  }

  private static void requireDelta(double delta) {
    if (!(delta > 0 && delta < 1)) {
      throw new IllegalArgumentException("gaussian: delta is " + delta + ", must be inside (0, 1)");
    }
  }
}
