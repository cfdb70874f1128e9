package palimpsest.privacy;

/**
 * Logarithms of the moments E_Q[(P/Q)^a] of a pair of distributions: (a - 1) times its Renyi
 * divergence of order a.
 */
final class RenyiMoments {
  /** Eight-point Gauss-Legendre quadrature on [-1, 1]. */
  private static final double[] NODES = {
    -0.96028985649753623168, -0.79666647741362673959, -0.52553240991632898582,
    -0.18343464249564980494, 0.18343464249564980494, 0.52553240991632898582,
    0.79666647741362673959, 0.96028985649753623168
  };

  private static final double[] WEIGHTS = {
    0.10122853629037625915, 0.22238103445337447054, 0.31370664587788728734,
    0.36268378337836198297, 0.36268378337836198297, 0.31370664587788728734,
    0.22238103445337447054, 0.10122853629037625915
  };

  private static final int POINTS = 8;

  /** Deviations of the noise beyond which the integrand no longer counts. */
  private static final double REACH = 12;

  /** Pieces of the integration per deviation of the noise. */
  private static final double PIECES = 12;

  /** Most deviations that the integration goes out for a large order; beyond, no bound is given. */
  private static final double FARTHEST = 4000;

  private RenyiMoments() {}

  /**
   * The larger moment of both directions at each of {@code orders}; infinite where none is known.
   */
  static double[] of(LossPair pair, double[] orders) {
    double[] out = new double[orders.length];
    double[] integrated = orders.clone();
    if (pair instanceof SubsampledGaussian(double q, double s)) {
      for (int i = 0; i < orders.length; i++) {
        if (q < 1 && orders[i] == Math.rint(orders[i])) {
          out[i] = binomial(q, s, (int) orders[i]);
          integrated[i] = Double.NaN;
        }
      }
    }
    integrate(pair, integrated, out);
    return out;
  }

  /** Binomial expansion of the subsampled Gaussian at an integer order: positive terms only. */
  private static double binomial(double q, double s, int a) {
    double sum = Double.NEGATIVE_INFINITY;
    for (int k = 0; k <= a; k++) {
      double exponent = 0.5 * k * (k - 1.0) / (s * s);
      sum =
          logAdd(
              sum,
              SpecialFunctions.logChoose(a, k)
                  + k * Math.log(q)
                  + (a - k) * Math.log1p(-q)
                  + exponent);
    }
    return sum;
  }

  /**
   * The integrals of Q e^{a L} and, for the exchanged pair, of P e^{-a L} = Q e^{(1 - a) L}, with
   * density and loss tabulated once for all orders. Removing the record is the worse direction of
   * the subsampled Gaussian at every order (Mironov, Talwar and Zhang 2019).
   *
   * @param orders orders, NaN where nothing is wanted
   */
  private static void integrate(LossPair pair, double[] orders, double[] out) {
    double most = FARTHEST * pair.noise() / pair.farthest();
    double largest = 0;
    for (double order : orders) {
      largest = order <= most ? Math.max(largest, order) : largest;
    }
    Table table = largest > 0 ? new Table(pair, largest) : null;
    boolean oneWay = pair.symmetric() || pair instanceof SubsampledGaussian;
    for (int i = 0; i < orders.length; i++) {
      if (orders[i] > most) {
        out[i] = Double.POSITIVE_INFINITY;
      } else if (!Double.isNaN(orders[i])) {
        double remove = table.logIntegral(orders[i]);
        out[i] = oneWay ? remove : Math.max(remove, table.logIntegral(1 - orders[i]));
      }
    }
  }

  /**
   * Loss and density at the nodes of the quadrature. The mass of Q e^{a L} lies between the means
   * of P and Q stretched by the order, and the tails of the noise around them.
   */
  private static final class Table {
    private final double[] loss;
    private final double[] logQ;
    private final double half;

    Table(LossPair pair, double order) {
      double s = pair.noise();
      double spread = order * pair.farthest() + REACH * s;
      double high = pair.symmetric() ? 2 * spread : spread;
      int pieces = (int) Math.ceil((high + spread) / s * PIECES);
      half = 0.5 * (high + spread) / pieces;
      loss = new double[POINTS * pieces];
      logQ = new double[POINTS * pieces];
      for (int i = 0; i < loss.length; i++) {
        double x = -spread + (2 * (i / POINTS) + 1 + NODES[i % POINTS]) * half;
        loss[i] = pair.loss(x);
        logQ[i] = pair.logDensityQ(x);
      }
    }

    /** ln of the integral of Q e^{power L}. */
    double logIntegral(double power) {
      double reference = Double.NEGATIVE_INFINITY;
      double sum = 0;
      for (int start = 0; start < loss.length; start += POINTS) {
        int end = start + POINTS - 1;
        double at = Math.max(logQ[start] + power * loss[start], logQ[end] + power * loss[end]);
        if (at > reference) {
          sum *= Math.exp(reference - at);
          reference = at;
        } else if (at < reference - 100) {
          continue;
        }
        for (int k = 0; k < POINTS; k++) {
          int i = start + k;
          sum += WEIGHTS[k] * Math.exp(logQ[i] + power * loss[i] - reference);
        }
      }
      return reference + Math.log(sum * half);
    }
  }

  /** Loss epsilon or -epsilon, as in randomised response. */
  static double ofTwoPoint(double epsilon, double order) {
    double log = -Math.log1p(Math.exp(-epsilon));
    return logAdd((order - 1) * epsilon + log, -order * epsilon + log);
  }

  /** ln(e^a + e^b). */
  static double logAdd(double a, double b) {
    double top = Math.max(a, b);
    return Double.isInfinite(top) ? top : top + Math.log1p(Math.exp(Math.min(a, b) - top));
  }
}
