package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Optional;

/**
 * sigma N to 24 digits after the point, and to 50 where that does not settle a rounding, by decimal
 * arithmetic that shares nothing with the code under test: logarithm by Halley's iteration on the
 * exponential series, cosine and sine by their series at the whole angle.
 */
final class GaussianOracle {
  private static final GaussianOracle COARSE = new GaussianOracle(40, 1, "1e-20");
  private static final GaussianOracle FINE = new GaussianOracle(64, 2, "1e-30");
  private static final BigDecimal TWO = BigDecimal.valueOf(2);
  private static final BigDecimal TWO_PI =
      new BigDecimal(
          "6.28318530717958647692528676655900576839433879875021164194988918461563281257");
  private static final int LEVELS = 4;

  private final MathContext digits;
  private final int iterations;
  private final BigDecimal error;

  /**
   * @param iterations of Halley's, each of which triples the digits of the double it starts from
   * @param error more than a value can be wrong by, at sigma of up to 2^32
   */
  private GaussianOracle(int digits, int iterations, String error) {
    this.digits = new MathContext(digits);
    this.iterations = iterations;
    this.error = new BigDecimal(error);
  }

  /** floor(sigma N + 1/2). */
  static long rounded(SecretKey key, Purpose purpose, long element, long step, double sigma) {
    return COARSE
        .floor(COARSE.value(key, purpose, element, step, sigma))
        .or(() -> FINE.floor(FINE.value(key, purpose, element, step, sigma)))
        .orElseThrow(() -> new AssertionError("the oracle itself cannot decide this rounding"));
  }

  /** floor(x + 1/2), unless x is too close to where that changes. */
  private Optional<Long> floor(BigDecimal x) {
    BigDecimal shifted = x.add(new BigDecimal("0.5"));
    BigDecimal floor = shifted.setScale(0, RoundingMode.FLOOR);
    BigDecimal fraction = shifted.subtract(floor);
    BigDecimal margin = fraction.min(BigDecimal.ONE.subtract(fraction));
    return margin.compareTo(error) < 0 ? Optional.empty() : Optional.of(floor.longValueExact());
  }

  /** sigma N from the first 256 bits of U and of V. */
  private BigDecimal value(SecretKey key, Purpose purpose, long element, long step, double sigma) {
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
    return COARSE.value(u, v, 128, sine, sigma).subtract(new BigDecimal(x)).abs().doubleValue();
  }

  private BigDecimal value(BigInteger u, BigInteger v, int width, boolean sine, double sigma) {
    BigDecimal scale = new BigDecimal(BigInteger.ONE.shiftLeft(width));
    BigDecimal uniform = new BigDecimal(u).divide(scale, digits);
    BigDecimal angle = TWO_PI.multiply(new BigDecimal(v).divide(scale, digits), digits);
    BigDecimal radius = log(uniform).multiply(TWO).negate().sqrt(digits);
    BigDecimal normal = radius.multiply(sine ? sine(angle) : cosine(angle), digits);
    return normal.multiply(new BigDecimal(sigma), digits);
  }

  private static BigInteger unsigned(int high, int low) {
    return BigInteger.valueOf(Integer.toUnsignedLong(high))
        .shiftLeft(32)
        .add(BigInteger.valueOf(Integer.toUnsignedLong(low)));
  }

  private BigDecimal log(BigDecimal x) {
    BigDecimal y =
        x.compareTo(new BigDecimal("0.9")) > 0
            ? new BigDecimal(Math.log1p(x.subtract(BigDecimal.ONE).doubleValue()))
            : new BigDecimal(Math.log(x.doubleValue()));
    for (int i = 0; i < iterations; i++) {
      BigDecimal e = exp(y);
      BigDecimal correction = x.subtract(e).multiply(TWO).divide(x.add(e), digits);
      y = y.add(correction, digits);
    }
    return y;
  }

  private BigDecimal exp(BigDecimal y) {
    int halvings = 12;
    BigDecimal reduced = y.divide(BigDecimal.valueOf(1L << halvings), digits);
    BigDecimal sum = BigDecimal.ONE;
    BigDecimal term = BigDecimal.ONE;
    for (int i = 1; i < 40 && term.signum() != 0; i++) {
      term = term.multiply(reduced, digits).divide(BigDecimal.valueOf(i), digits);
      sum = sum.add(term, digits);
      if (term.precision() - term.scale() < -digits.getPrecision() - 2) {
        break;
      }
    }
    for (int i = 0; i < halvings; i++) {
      sum = sum.multiply(sum, digits);
    }
    return sum;
  }

  private BigDecimal sine(BigDecimal angle) {
    return series(angle, angle, 2);
  }

  private BigDecimal cosine(BigDecimal angle) {
    return series(BigDecimal.ONE, angle, 1);
  }

  private BigDecimal series(BigDecimal first, BigDecimal angle, int n) {
    BigDecimal square = angle.multiply(angle, digits);
    BigDecimal sum = first;
    BigDecimal term = first;
    for (int i = n; i < 200; i += 2) {
      term =
          term.multiply(square, digits)
              .divide(BigDecimal.valueOf((long) i * (i + 1)), digits)
              .negate();
      sum = sum.add(term, digits);
      if (term.signum() == 0 || term.precision() - term.scale() < 2 - digits.getPrecision()) {
        break;
      }
    }
    return sum;
  }
}
