package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Arrays;
import java.util.List;

/**
 * A sum of losses in decimal arithmetic, by convolution term by term.
 *
 * @param masses mass at {@code lowest + j step}
 * @param infinity mass at infinite loss
 */
record ExactSum(BigDecimal[] masses, BigDecimal lowest, BigDecimal step, BigDecimal infinity) {
  private static final MathContext DIGITS = new MathContext(50);

  static ExactSum of(List<Composition.Part> parts) {
    BigDecimal[] masses = {BigDecimal.ONE};
    BigDecimal step = new BigDecimal(parts.getFirst().pmf().step);
    BigDecimal lowest = BigDecimal.ZERO;
    BigDecimal finite = BigDecimal.ONE;
    for (Composition.Part part : parts) {
      LossPmf pmf = part.pmf();
      BigDecimal first = step.multiply(BigDecimal.valueOf(pmf.first));
      for (long i = 0; i < part.count(); i++) {
        masses = convolve(masses, pmf.mass);
        lowest = lowest.add(first).add(new BigDecimal(pmf.shift));
        finite = finite.multiply(BigDecimal.ONE.subtract(new BigDecimal(pmf.infinity)), DIGITS);
      }
    }
    return new ExactSum(masses, lowest, step, BigDecimal.ONE.subtract(finite));
  }

  /** The first {@code terms} masses of {@code count} two-point losses, at 0 and at {@code step}. */
  static ExactSum binomial(double atZero, double atStep, double step, int count, int terms) {
    BigDecimal odds = new BigDecimal(atStep).divide(new BigDecimal(atZero), DIGITS);
    BigDecimal[] masses = new BigDecimal[terms];
    masses[0] = new BigDecimal(atZero).pow(count, DIGITS);
    for (int k = 1; k < terms; k++) {
      BigDecimal ways = BigDecimal.valueOf(count + 1L - k).divide(BigDecimal.valueOf(k), DIGITS);
      masses[k] = masses[k - 1].multiply(odds, DIGITS).multiply(ways, DIGITS);
    }
    return new ExactSum(masses, BigDecimal.ZERO, new BigDecimal(step), BigDecimal.ZERO);
  }

  private static BigDecimal[] convolve(BigDecimal[] sum, double[] mass) {
    BigDecimal[] result = new BigDecimal[sum.length + mass.length - 1];
    Arrays.fill(result, BigDecimal.ZERO);
    for (int j = 0; j < mass.length; j++) {
      BigDecimal factor = new BigDecimal(mass[j]);
      for (int i = 0; i < sum.length; i++) {
        result[i + j] = result[i + j].add(sum[i].multiply(factor, DIGITS), DIGITS);
      }
    }
    return result;
  }

  double largest() {
    return lowest.doubleValue() + (masses.length - 1) * step.doubleValue();
  }

  /** The infinite mass, and the sum of m (1 - e^{epsilon - L}) over losses L > epsilon. */
  BigDecimal delta(double epsilon) {
    BigDecimal above = new BigDecimal(epsilon).subtract(lowest);
    int first = Math.max(0, (int) Math.ceil(above.doubleValue() / step.doubleValue()) - 1);
    BigDecimal fall = ExactDecimals.exp(step.negate());
    BigDecimal share = ExactDecimals.exp(above.subtract(step.multiply(BigDecimal.valueOf(first))));
    BigDecimal sum = infinity;
    for (int j = first; j < masses.length; j++) {
      if (share.compareTo(BigDecimal.ONE) < 0) {
        sum = sum.add(masses[j].multiply(BigDecimal.ONE.subtract(share), DIGITS), DIGITS);
      }
      share = share.multiply(fall, DIGITS);
    }
    return sum;
  }

  /** About the least of Chernoff's bounds e^{A(t) - t epsilon} over t > 0. */
  double chernoff(double epsilon) {
    double[] logs = Arrays.stream(masses).mapToDouble(ExactSum::log).toArray();
    double low = Math.log(1e-4);
    double high = Math.log(50 / step.doubleValue());
    while (high - low > 1e-3) {
      double third = (high - low) / 3;
      boolean falls =
          logChernoff(logs, Math.exp(low + third), epsilon)
              > logChernoff(logs, Math.exp(high - third), epsilon);
      low = falls ? low + third : low;
      high = falls ? high : high - third;
    }
    return Math.exp(Math.min(0, logChernoff(logs, Math.exp(low), epsilon)));
  }

  private double logChernoff(double[] logs, double t, double epsilon) {
    double h = step.doubleValue();
    double start = lowest.doubleValue() - epsilon;
    double most = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < logs.length; j++) {
      most = Math.max(most, logs[j] + t * (start + j * h));
    }
    double sum = 0;
    for (int j = 0; j < logs.length; j++) {
      sum += Math.exp(logs[j] + t * (start + j * h) - most);
    }
    return most + Math.log(sum);
  }

  private static double log(BigDecimal x) {
    int exponent = x.precision() - x.scale();
    return x.signum() == 0
        ? Double.NEGATIVE_INFINITY
        : Math.log(x.scaleByPowerOfTen(-exponent).doubleValue()) + exponent * Math.log(10);
  }
}
