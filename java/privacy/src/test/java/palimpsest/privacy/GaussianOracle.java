package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * sigma N to 50 digits, by decimal arithmetic that shares nothing with the code under test:
 * logarithm by Halley's iteration on the exponential series, cosine and sine by their series at the
 * whole angle.
 */
final class GaussianOracle {
  private static final MathContext DIGITS = new MathContext(64);
  private static final BigDecimal TWO = BigDecimal.valueOf(2);
  private static final BigDecimal TWO_PI =
      new BigDecimal(
          "6.28318530717958647692528676655900576839433879875021164194988918461563281257");
  private static final int LEVELS = 4;

  private GaussianOracle() {}

  /** floor(sigma N + 1/2). */
  static long rounded(SecretKey key, Purpose purpose, long element, long step, double sigma) {
    BigDecimal shifted = value(key, purpose, element, step, sigma).add(new BigDecimal("0.5"));
    BigDecimal floor = shifted.setScale(0, RoundingMode.FLOOR);
    BigDecimal fraction = shifted.subtract(floor);
    BigDecimal margin = fraction.min(BigDecimal.ONE.subtract(fraction));
    if (margin.compareTo(new BigDecimal("1e-30")) < 0) {
      throw new AssertionError("the oracle itself cannot decide this rounding");
    }
    return floor.longValueExact();
  }

  /** sigma N from the first 256 bits of U and of V. */
  static BigDecimal value(SecretKey key, Purpose purpose, long element, long step, double sigma) {
    long inSuperblock = element & 127;
    long block = (element >> 7) * 16 + (inSuperblock & 15);
    int pair = (int) (inSuperblock >> 5);
    boolean sine = (inSuperblock & 16) != 0;
    BigInteger u = BigInteger.ZERO;
    BigInteger v = BigInteger.ZERO;
    for (int level = 0; level < LEVELS; level++) {
      int purposeWord = level == 0 ? purpose.word() : 6 + 256 * level + (purpose.word() << 24);
      int[] words = new int[16];
      ChaCha20.block(
          key.words(), (int) block, purposeWord, (int) step, (int) (step >> 32), words, 0);
      u = u.shiftLeft(64).add(unsigned(words[4 * pair + 1], words[4 * pair]));
      v = v.shiftLeft(64).add(unsigned(words[4 * pair + 3], words[4 * pair + 2]));
    }
    return value(u, v, 64 * LEVELS, sine, sigma);
  }

  /**
   * Distance of {@code x} from sigma N for U and V at one end of what four words leave open: all
   * unseen bits zero (but for one at the bottom, so that U is not zero), or all one.
   */
  static double distance(int[] words, boolean end, boolean sine, double sigma, double x) {
    BigInteger open = end ? BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE) : BigInteger.ONE;
    BigInteger u = unsigned(words[1], words[0]).shiftLeft(64).add(open);
    BigInteger v = unsigned(words[3], words[2]).shiftLeft(64).add(open);
    return value(u, v, 128, sine, sigma).subtract(new BigDecimal(x)).abs().doubleValue();
  }

  private static BigDecimal value(
      BigInteger u, BigInteger v, int width, boolean sine, double sigma) {
    BigDecimal scale = new BigDecimal(BigInteger.ONE.shiftLeft(width));
    BigDecimal uniform = new BigDecimal(u).divide(scale, DIGITS);
    BigDecimal angle = TWO_PI.multiply(new BigDecimal(v).divide(scale, DIGITS), DIGITS);
    BigDecimal radius = log(uniform).multiply(TWO).negate().sqrt(DIGITS);
    BigDecimal normal = radius.multiply(sine ? sine(angle) : cosine(angle), DIGITS);
    return normal.multiply(new BigDecimal(sigma), DIGITS);
  }

  private static BigInteger unsigned(int high, int low) {
    return BigInteger.valueOf(Integer.toUnsignedLong(high))
        .shiftLeft(32)
        .add(BigInteger.valueOf(Integer.toUnsignedLong(low)));
  }

  /** Halley: each iteration triples the digits of the double it starts from. */
  private static BigDecimal log(BigDecimal x) {
    BigDecimal y =
        x.compareTo(new BigDecimal("0.9")) > 0
            ? new BigDecimal(Math.log1p(x.subtract(BigDecimal.ONE).doubleValue()))
            : new BigDecimal(Math.log(x.doubleValue()));
    for (int i = 0; i < 2; i++) {
      BigDecimal e = exp(y);
      BigDecimal correction = x.subtract(e).multiply(TWO).divide(x.add(e), DIGITS);
      y = y.add(correction, DIGITS);
    }
    return y;
  }

  private static BigDecimal exp(BigDecimal y) {
    int halvings = 12;
    BigDecimal reduced = y.divide(BigDecimal.valueOf(1L << halvings), DIGITS);
    BigDecimal sum = BigDecimal.ONE;
    BigDecimal term = BigDecimal.ONE;
    for (int i = 1; i < 40 && term.signum() != 0; i++) {
      term = term.multiply(reduced, DIGITS).divide(BigDecimal.valueOf(i), DIGITS);
      sum = sum.add(term, DIGITS);
      if (term.precision() - term.scale() < -66) {
        break;
      }
    }
    for (int i = 0; i < halvings; i++) {
      sum = sum.multiply(sum, DIGITS);
    }
    return sum;
  }

  private static BigDecimal sine(BigDecimal angle) {
    return series(angle, angle, 2);
  }

  private static BigDecimal cosine(BigDecimal angle) {
    return series(BigDecimal.ONE, angle, 1);
  }

  private static BigDecimal series(BigDecimal first, BigDecimal angle, int n) {
    BigDecimal square = angle.multiply(angle, DIGITS);
    BigDecimal sum = first;
    BigDecimal term = first;
    for (int i = n; i < 200; i += 2) {
      term =
          term.multiply(square, DIGITS)
              .divide(BigDecimal.valueOf((long) i * (i + 1)), DIGITS)
              .negate();
      sum = sum.add(term, DIGITS);
      if (term.signum() == 0 || term.precision() - term.scale() < -62) {
        break;
      }
    }
    return sum;
  }
}
