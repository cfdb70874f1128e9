package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.MathContext;

/** Functions in decimal arithmetic, of whose results 25 digits and more are right. */
final class ExactDecimals {
  /** Room for what the alternating series of {@link #normalCdf} loses at 14 deviations. */
  static final MathContext DIGITS = new MathContext(120);

  private static final BigDecimal SQRT_TWO_PI =
      new BigDecimal(
              "6.28318530717958647692528676655900576839433879875021164194988918461563"
                  + "28125724179972560696506842341359642961730265646132941876892191")
          .sqrt(DIGITS);

  private ExactDecimals() {}

  static BigDecimal exp(BigDecimal x) {
    int halvings = Math.max(0, (int) (Math.log(Math.abs(x.doubleValue()) + 1) / Math.log(2)) + 16);
    BigDecimal reduced = x.divide(BigDecimal.TWO.pow(halvings), DIGITS);
    BigDecimal sum = BigDecimal.ONE;
    BigDecimal term = BigDecimal.ONE;
    for (int i = 1; i < 60 && term.signum() != 0; i++) {
      term = term.multiply(reduced, DIGITS).divide(BigDecimal.valueOf(i), DIGITS);
      sum = sum.add(term, DIGITS);
    }
    for (int i = 0; i < halvings; i++) {
      sum = sum.multiply(sum, DIGITS);
    }
    return sum;
  }

  /** Phi(x) = 1/2 + (x - x^3/6 + x^5/40 - ...) / sqrt(2 pi), for x of at most 14. */
  static BigDecimal normalCdf(BigDecimal x) {
    if (x.compareTo(BigDecimal.TEN.negate()) < 0) {
      return normalTail(x.negate());
    }
    BigDecimal halfSquare = x.multiply(x).divide(BigDecimal.TWO, DIGITS).negate();
    BigDecimal power = x;
    BigDecimal sum = x;
    for (int n = 1; n < 2000; n++) {
      power = power.multiply(halfSquare, DIGITS).divide(BigDecimal.valueOf(n), DIGITS);
      BigDecimal term = power.divide(BigDecimal.valueOf(2L * n + 1), DIGITS);
      sum = sum.add(term, DIGITS);
      if (term.signum() == 0 || term.precision() - term.scale() < -DIGITS.getPrecision()) {
        break;
      }
    }
    return sum.divide(SQRT_TWO_PI, DIGITS).add(new BigDecimal("0.5"));
  }

  /** 1 - Phi(x) = phi(x) / (x + 1/(x + 2/(x + 3/(x + ...)))), Laplace's continued fraction. */
  private static BigDecimal normalTail(BigDecimal x) {
    BigDecimal fraction = x;
    for (int level = 400; level > 0; level--) {
      fraction = x.add(BigDecimal.valueOf(level).divide(fraction, DIGITS), DIGITS);
    }
    BigDecimal density = exp(x.multiply(x).divide(BigDecimal.TWO).negate());
    return density.divide(SQRT_TWO_PI, DIGITS).divide(fraction, DIGITS);
  }
}
