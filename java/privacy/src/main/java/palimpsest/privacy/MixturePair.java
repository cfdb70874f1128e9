package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Mixture of Gaussians against one at 0: P = sum_i w_i N(c_i, s^2), Q = N(0, s^2), 0 <= c_0 < c_1 <
 * ...
 */
final class MixturePair implements LossPair {
  /** Of binomial weights, so that a double's last place is all that normal ones are off by. */
  private static final MathContext DIGITS = new MathContext(40);

  /** Halvings in the search for the end: it need not be found to the last digit. */
  private static final int END_ROUNDS = 20;

  private final double s;
  private final double[] sensitivities;
  private final double[] weights;
  private final double[] logWeights;

  MixturePair(double s, List<Double> sensitivities, List<Double> weights) {
    this.s = s;
    this.sensitivities = sensitivities.stream().mapToDouble(Double::doubleValue).toArray();
    this.weights = weights.stream().mapToDouble(Double::doubleValue).toArray();
    this.logWeights = Arrays.stream(this.weights).map(Math::log).toArray();
  }

  /**
   * One protected unit owns k records, each in the batch with probability q on its own: c ~
   * Binomial(k, q) (Ganesh 2024).
   */
  static MixturePair binomial(double q, double s, int k) {
    List<Double> weights = new ArrayList<>();
    List<Double> counts = new ArrayList<>();
    BigDecimal in = new BigDecimal(q);
    BigDecimal out = BigDecimal.ONE.subtract(in);
    BigDecimal choices = BigDecimal.ONE;
    for (int c = 0; c <= k; c++) {
      BigDecimal weight = choices.multiply(in.pow(c, DIGITS)).multiply(out.pow(k - c, DIGITS));
      weights.add(Math.max(Double.MIN_NORMAL, weight.doubleValue()));
      counts.add((double) c);
      choices =
          choices.multiply(BigDecimal.valueOf(k - c)).divide(BigDecimal.valueOf(c + 1), DIGITS);
    }
    return new MixturePair(s, counts, weights);
  }

  /** ln of the ratio of N(c_i, s^2) and N(0, s^2). */
  private double exponent(int i, double x) {
    double c = sensitivities[i];
    return c * (x - 0.5 * c) / (s * s);
  }

  @Override
  public double loss(double x) {
    double top = Double.NEGATIVE_INFINITY;
    double largest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < weights.length; i++) {
      double e = exponent(i, x);
      largest = Math.max(largest, e);
      top = Math.max(top, logWeights[i] + e);
    }
    if (largest < 1) {
      // Every ratio is moderate: summing what exceeds 1 keeps the digits that a logarithm near 1
      // would lose.
      double excess = 0;
      for (int i = 0; i < weights.length; i++) {
        excess += weights[i] * Math.expm1(exponent(i, x));
      }
      if (excess > -0.5) {
        return Math.log1p(excess);
      }
    }
    double sum = 0;
    for (int i = 0; i < weights.length; i++) {
      sum += Math.exp(logWeights[i] + exponent(i, x) - top);
    }
    return top + Math.log(sum);
  }

  /**
   * Newton's method on a convex function from the right, which never passes the root. The start is
   * the least x at which one component alone reaches the loss.
   */
  @Override
  public double position(double loss) {
    if (sensitivities[0] == 0 && loss <= logWeights[0]) {
      return Double.NEGATIVE_INFINITY;
    }
    double x = Double.POSITIVE_INFINITY;
    for (int i = 0; i < weights.length; i++) {
      double c = sensitivities[i];
      if (c > 0) {
        x = Math.min(x, 0.5 * c + s * s * (loss - logWeights[i]) / c);
      }
    }
    for (int i = 0; i < 200; i++) {
      double value = loss(x);
      double slope = 0;
      for (int j = 0; j < weights.length; j++) {
        slope += sensitivities[j] * Math.exp(logWeights[j] + exponent(j, x) - value);
      }
      double next = x - (value - loss) * s * s / slope;
      if (!(next < x - 1e-14 * (Math.abs(x) + s))) {
        return x;
      }
      x = next;
    }
    return x;
  }

  @Override
  public double logDensityQ(double x) {
    return SubsampledGaussian.logDensity(s, x);
  }

  @Override
  public double start(double z) {
    return -z * s;
  }

  /**
   * Where little of P is left, and less of Q, which lies before all of P. An end that is safe for
   * each component by itself would be far out in the tails of rare ones: most of the grid would
   * hold masses of no account.
   */
  @Override
  public double end(double z) {
    double least = SpecialFunctions.normalCdf(-z);
    double before = 0;
    double end = farthest() + z * s;
    for (int i = 0; i < END_ROUNDS; i++) {
      double middle = 0.5 * (before + end);
      if (above(middle).p() > least) {
        before = middle;
      } else {
        end = middle;
      }
    }
    return end;
  }

  @Override
  public Tail below(double x) {
    return tail(x, 1);
  }

  @Override
  public Tail above(double x) {
    return tail(x, -1);
  }

  private Tail tail(double x, int side) {
    double p = 0;
    for (int i = 0; i < weights.length; i++) {
      p += weights[i] * SpecialFunctions.normalCdf(side * (x - sensitivities[i]) / s);
    }
    return new Tail(p, SpecialFunctions.normalCdf(side * x / s));
  }

  @Override
  public double scale() {
    double widest = Math.max(1, sensitivities[sensitivities.length - 1]);
    return Math.min(0.1 * s, 0.25 * s * s / widest);
  }

  @Override
  public double noise() {
    return s;
  }

  @Override
  public double farthest() {
    return sensitivities[sensitivities.length - 1];
  }

  @Override
  public boolean symmetric() {
    return false;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof MixturePair that
        && s == that.s
        && Arrays.equals(sensitivities, that.sensitivities)
        && Arrays.equals(weights, that.weights);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * Double.hashCode(s) + Arrays.hashCode(sensitivities))
        + Arrays.hashCode(weights);
  }
}
