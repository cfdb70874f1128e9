package palimpsest.privacy;

/**
 * The special functions that accounting needs and the JDK lacks, to about full double precision.
 */
public final class SpecialFunctions {
  private static final double SQRT_HALF = Math.sqrt(0.5);
  private static final double HALF_LOG_TWO_PI = 0.91893853320467274178;

  /**
   * Chebyshev coefficients of (1 + 2x) exp(x^2) erfc(x) in t = (x - 3.75) / (x + 3.75), x >= 0: the
   * variables of Shepherd and Laframboise (1981), coefficients computed with 50 digits.
   */
  private static final double[] ERFCX = {
    1.17757893456740175408,
    -4.590054580646477330853e-3,
    -8.424913336651791558351e-2,
    5.920993999819189049808e-2,
    -2.665866843530575227739e-2,
    9.074997670705265093879e-3,
    -2.413163540417608190943e-3,
    4.907758365258086322859e-4,
    -6.916973302501206367096e-5,
    4.139027986073010167534e-6,
    7.740383066198490668633e-7,
    -2.188640104923439566149e-7,
    1.076499946567091037714e-8,
    4.521959811218286897931e-9,
    -7.754400208831351106474e-10,
    -6.318088340886684494385e-11,
    2.868795010930669898142e-11,
    1.945586854577734722953e-13,
    -9.654696748433438905851e-13,
    3.252548148148739841542e-14,
    3.347811948286805387827e-14,
    -1.864562880419313101544e-15,
    -1.250795053068864708532e-15,
    7.418235256624043463048e-17,
    5.068148904796111316807e-17,
    -2.237056659435999597369e-18,
    -2.187342944303017664995e-18
  };

  /**
   * Taylor coefficients of lgamma(2 + z): (1 - Euler's constant), then (-1)^k (zeta(k) - 1) / k
   * from k = 2.
   */
  private static final double[] LGAMMA_AT_TWO = {
    0.42278433509846713939, 0.32246703342411321824, -0.067352301053198095133,
        0.020580808427784547879,
    -0.0073855510286739852663, 0.0028905103307415232858, -0.0011927539117032609771,
        0.00050966952474304242234,
    -0.00022315475845357937976, 9.9457512781808533715e-5, -4.49262367381331417e-5,
        2.0507212775670691553e-5,
    -9.439488275268395904e-6, 4.3748667899074878042e-6, -2.0392157538013662368e-6,
        9.5514121304074198329e-7,
    -4.4924691987645660433e-7, 2.1207184805554665869e-7, -1.0043224823968099609e-7,
        4.7698101693639805658e-8,
    -2.271109460894316491e-8, 1.0838659214896954091e-8, -5.1834750419700466551e-9,
        2.4836745438024783172e-9,
    -1.1921401405860912074e-9, 5.7313672416788620133e-10, -2.7595228851242331452e-10
  };

  private static final double[] STIRLING = {
    1.0 / 12,
    -1.0 / 360,
    1.0 / 1260,
    -1.0 / 1680,
    1.0 / 1188,
    -691.0 / 360360,
    1.0 / 156,
    -3617.0 / 122400
  };

  private SpecialFunctions() {}

  /** exp(x^2) erfc(x) for x >= 0. */
  static double scaledErfc(double x) {
    double t = (x - 3.75) / (x + 3.75);
    double b = 0;
    double c = 0;
    for (int i = ERFCX.length - 1; i > 0; i--) {
      double next = 2 * t * b - c + ERFCX[i];
      c = b;
      b = next;
    }
    return (t * b - c + ERFCX[0]) / (1 + 2 * x);
  }

  /** The complementary error function. */
  public static double erfc(double x) {
    if (x < 0) {
      return 2 - erfc(-x);
    }
    return expMinusSquare(x) * scaledErfc(x);
  }

  /**
   * exp(-x^2) without the error that rounding x^2 would bring: the square of the leading digits is
   * exact.
   */
  private static double expMinusSquare(double x) {
    double head = Math.rint(x * 32) / 32;
    return x > 27.5 ? 0 : Math.exp(-head * head) * Math.exp((head - x) * (head + x));
  }

  /** The standard normal distribution function. */
  public static double normalCdf(double x) {
    return 0.5 * erfc(-x * SQRT_HALF);
  }

  /**
   * The logarithm of the standard normal distribution function, accurate far into the lower tail.
   */
  public static double logNormalCdf(double x) {
    if (x > 0) {
      return Math.log1p(-0.5 * erfc(x * SQRT_HALF));
    }
    return -0.5 * x * x + Math.log(0.5 * scaledErfc(-x * SQRT_HALF));
  }

  /** The x with normalCdf(x) = p; infinite at 0 and 1. */
  public static double normalQuantile(double p) {
    if (!(p >= 0 && p <= 1)) {
      throw new IllegalArgumentException(
          "normal quantile: probability is " + p + ", must be in [0, 1]");
    }
    if (p == 0 || p == 1) {
      return p == 0 ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }
    return p > 0.5 ? -quantileOfLog(Math.log1p(-p)) : quantileOfLog(Math.log(p));
  }

  /**
   * The x with logNormalCdf(x) = logP, logP < 0: Newton from the left, monotone because the
   * function is concave.
   */
  static double quantileOfLog(double logP) {
    double x = -Math.sqrt(-2 * logP);
    for (int i = 0; i < 100; i++) {
      double value = logNormalCdf(x);
      double slope = Math.exp(-0.5 * x * x - HALF_LOG_TWO_PI - value);
      double next = x + (logP - value) / slope;
      if (!(next > x + 1e-15 * Math.abs(x))) {
        return next;
      }
      x = next;
    }
    return x;
  }

  /** The logarithm of the gamma function for x > 0. */
  public static double logGamma(double x) {
    if (!(x > 0)) {
      throw new IllegalArgumentException("log gamma: argument is " + x + ", must be positive");
    }
    if (x < 0.5) {
      return logGamma(x + 1) - Math.log(x);
    }
    if (x < 1.5) {
      return logGammaNearTwo(x - 1) - Math.log1p(x - 1);
    }
    if (x < 2.5) {
      return logGammaNearTwo(x - 2);
    }
    if (x < 4) {
      return logGamma(x - 1) + Math.log(x - 1);
    }
    double product = 1;
    double y = x;
    while (y < 12) {
      product *= y;
      y += 1;
    }
    return (y - 0.5) * Math.log(y) - y + HALF_LOG_TWO_PI + stirlingTail(y) - Math.log(product);
  }

  private static double logGammaNearTwo(double z) {
    double sum = 0;
    for (int i = LGAMMA_AT_TWO.length - 1; i >= 0; i--) {
      sum = (sum + LGAMMA_AT_TWO[i]) * z;
    }
    return sum;
  }

  private static double stirlingTail(double y) {
    double inverseSquare = 1 / (y * y);
    double sum = 0;
    for (int i = STIRLING.length - 1; i >= 0; i--) {
      sum = sum * inverseSquare + STIRLING[i];
    }
    return sum / y;
  }

  /** ln C(n, k) for 0 <= k <= n. */
  public static double logChoose(long n, long k) {
    return logGamma(n + 1.0) - logGamma(k + 1.0) - logGamma(n - k + 1.0);
  }

  /**
   * ln P[X = k], X ~ Binomial(n, p): Loader's saddle-point form, which does not lose digits for
   * large n.
   */
  public static double logBinomialPmf(long n, long k, double p) {
    if (k < 0 || k > n) {
      return Double.NEGATIVE_INFINITY;
    }
    if (k == 0) {
      return n * Math.log1p(-p);
    }
    if (k == n) {
      return n * Math.log(p);
    }
    double scale = 0.5 * Math.log((double) n / ((double) k * (n - k))) - HALF_LOG_TWO_PI;
    double correction = stirlingError(n) - stirlingError(k) - stirlingError(n - k);
    return scale + correction - deviance(k, n * p) - deviance(n - k, n * (1 - p));
  }

  private static double stirlingError(double n) {
    return n >= 12
        ? stirlingTail(n)
        : logGamma(n + 1) - (n + 0.5) * Math.log(n) + n - HALF_LOG_TWO_PI;
  }

  /** x ln(x / m) + m - x, by series where x is close to m. */
  private static double deviance(double x, double m) {
    double v = (x - m) / (x + m);
    if (Math.abs(v) > 0.1) {
      return x * Math.log(x / m) + m - x;
    }
    double sum = (x - m) * v;
    double term = 2 * x * v;
    for (int j = 1; j < 60; j++) {
      term *= v * v;
      double next = sum + term / (2 * j + 1);
      if (next == sum) {
        break;
      }
      sum = next;
    }
    return sum;
  }

  /** P[X >= k], X ~ Binomial(n, p), summing the shorter tail. */
  public static double binomialTail(long n, long k, double p) {
    if (!(p >= 0 && p <= 1)) {
      throw new IllegalArgumentException("binomial: probability is " + p + ", must be in [0, 1]");
    }
    if (k <= 0 || p == 1) {
      return k <= n ? 1 : 0;
    }
    if (k > n || p == 0) {
      return 0;
    }
    if (k > n * p) {
      return binomialSum(n, k, p);
    }
    return 1 - binomialSum(n, n - k + 1, 1 - p);
  }

  /**
   * P[X >= k] for k at or above the mean: the terms fall, so the sum stops when they no longer
   * count.
   */
  private static double binomialSum(long n, long k, double p) {
    double term = Math.exp(logBinomialPmf(n, k, p));
    double sum = term;
    double odds = p / (1 - p);
    for (long i = k; i < n && term > sum * 1e-18; i++) {
      term *= odds * (n - i) / (i + 1);
      sum += term;
    }
    return Math.min(1, sum);
  }
}
