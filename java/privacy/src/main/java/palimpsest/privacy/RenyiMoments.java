package palimpsest.privacy;

/**
 * Logarithms of the moments E_Q[(P/Q)^a] of a pair of distributions: (a - 1) times its Renyi
 * divergence of order a.
 */
final class RenyiMoments {
  /** Eight-point Gauss-Legendre quadrature on [-1, 1]: positive nodes and their weights. */
  private static final double[] NODES = {
    0.18343464249564980494, 0.52553240991632898582, 0.79666647741362673959, 0.96028985649753623168
  };

  private static final double[] WEIGHTS = {
    0.36268378337836198297, 0.31370664587788728734, 0.22238103445337447054, 0.10122853629037625915
  };

  /** Deviations of the noise beyond which the integrand no longer counts. */
  private static final double REACH = 12;

  /** Pieces of the integration per deviation of the noise. */
  private static final double PIECES = 12;

  private RenyiMoments() {}

  /** The larger moment of both directions at {@code order} > 1. */
  static double of(LossPair pair, double order) {
    if (pair instanceof SubsampledGaussian(double q, double s)) {
      // The direction that removes the record is the larger one at every order (Mironov, Talwar and
      // Zhang 2019).
      return q < 1 && order == Math.rint(order)
          ? binomial(q, s, (int) order)
          : integral(pair, order, false);
    }
    double remove = integral(pair, order, false);
    return pair.symmetric() ? remove : Math.max(remove, integral(pair, order, true));
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
   * The integral of Q e^{a L}, or of P e^{-a L} = Q e^{(1 - a) L} when {@code exchanged}. Its mass
   * lies between the means of P and Q stretched {@code order} times, and the tails of the noise
   * around them.
   */
  private static double integral(LossPair pair, double order, boolean exchanged) {
    double s = pair.noise();
    double spread = order * pair.farthest() + REACH * s;
    double low = exchanged || pair.symmetric() ? -spread : -REACH * s;
    double high = exchanged ? pair.farthest() + REACH * s : pair.symmetric() ? 2 * spread : spread;
    double power = exchanged ? 1 - order : order;
    int pieces = (int) Math.ceil((high - low) / s * PIECES);
    double half = 0.5 * (high - low) / pieces;
    double reference = Double.NEGATIVE_INFINITY;
    double sum = 0;
    for (int i = 0; i < pieces; i++) {
      double middle = low + (2 * i + 1) * half;
      double at = pair.logDensityQ(middle) + power * pair.loss(middle);
      if (at > reference) {
        sum *= Math.exp(reference - at);
        reference = at;
      } else if (at < reference - 100) {
        continue;
      }
      for (int k = 0; k < NODES.length; k++) {
        double right = middle + half * NODES[k];
        double left = middle - half * NODES[k];
        sum +=
            WEIGHTS[k]
                * (Math.exp(pair.logDensityQ(right) + power * pair.loss(right) - reference)
                    + Math.exp(pair.logDensityQ(left) + power * pair.loss(left) - reference));
      }
    }
    return reference + Math.log(sum * half);
  }

  /** Loss epsilon or -epsilon, as in randomised response. */
  static double ofTwoPoint(double epsilon, double order) {
    double log = -Math.log1p(Math.exp(-epsilon));
    return logAdd((order - 1) * epsilon + log, -order * epsilon + log);
  }

  /** ln(e^a + e^b). */
  static double logAdd(double a, double b) {
    double top = Math.max(a, b);
    return top == Double.NEGATIVE_INFINITY ? top : top + Math.log1p(Math.exp(Math.min(a, b) - top));
  }
}
