package palimpsest.privacy;

/**
 * The standard normal distribution function for tests: Marsaglia's series, and the asymptotic tail
 * beyond 6.
 */
final class Normal {
  private Normal() {}

  static double cdf(double x) {
    double density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    if (Math.abs(x) > 6) {
      double square = x * x;
      double tail = density / Math.abs(x) * (1 - 1 / square + 3 / (square * square));
      return x > 0 ? 1 - tail : tail;
    }
    double term = x;
    double sum = x;
    for (int i = 3; Math.abs(term) > 1e-18 * Math.abs(sum); i += 2) {
      term *= x * x / i;
      sum += term;
    }
    return 0.5 + density * sum;
  }
}
