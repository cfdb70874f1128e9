package palimpsest.privacy;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The slow path of {@link NoiseStream}: floor(sigma N + 1/2) for N = sqrt(-2 ln U) cos 2 pi V (or
 * sin), from as many bits of U and V as the rounding needs.
 *
 * <p>Real numbers are enclosed in intervals of integers scaled by 2^-precision. Every interval
 * holds its number: all roundings and series remainders are covered by {@link #slack}. When both
 * ends of the result round to the same integer, that is the answer; otherwise 64 more bits of U and
 * V are read. docs/noise.md, "The slow path", has the bounds.
 */
final class ExactGaussian {
  /** 64-bit words of U and of V that may be read; 2^-3000 would have to be hit to need more. */
  private static final int MAX_LEVELS = 64;

  private static final int GUARD_BITS = 64;
  private static final Map<Integer, Constants> CONSTANTS = new ConcurrentHashMap<>();

  /** Where the bits come from. */
  @FunctionalInterface
  interface Bits {
    /**
     * Word {@code level} of U and of V, as {u, v} in an array that the caller overwrites; level 0
     * holds the most significant bits.
     */
    long[] at(int level);
  }

  /** ln 2 and pi scaled by 2^precision, each within {@link #slack} below or above. */
  private record Constants(BigInteger ln2, BigInteger pi) {
    static Constants of(int precision) {
      int fine = precision + GUARD_BITS;
      BigInteger one = BigInteger.ONE.shiftLeft(fine);
      BigInteger ln2 = inverseSeries(one, 3, false).shiftLeft(1);
      BigInteger pi =
          inverseSeries(one, 5, true)
              .shiftLeft(2)
              .subtract(inverseSeries(one, 239, true))
              .shiftLeft(2);
      return new Constants(ln2.shiftRight(GUARD_BITS), pi.shiftRight(GUARD_BITS));
    }

    /** artanh(1/x), or arctan(1/x) if alternating: sum of (+-1)^i / ((2i+1) x^(2i+1)). */
    private static BigInteger inverseSeries(BigInteger one, int x, boolean alternating) {
      BigInteger square = BigInteger.valueOf((long) x * x);
      BigInteger power = one.divide(BigInteger.valueOf(x));
      BigInteger sum = power;
      for (int i = 1; power.signum() != 0; i++) {
        power = power.divide(square);
        BigInteger term = power.divide(BigInteger.valueOf(2L * i + 1));
        sum = alternating && (i & 1) == 1 ? sum.subtract(term) : sum.add(term);
      }
      return sum;
    }
  }

  private record Interval(BigInteger low, BigInteger high) {
    static Interval around(BigInteger middle, BigInteger radius) {
      return new Interval(middle.subtract(radius), middle.add(radius));
    }
  }

  private final int width;
  private final int precision;
  private final BigInteger one;
  private final Constants constants;

  private ExactGaussian(int levels) {
    this.width = 64 * levels;
    this.precision = width + GUARD_BITS;
    this.one = BigInteger.ONE.shiftLeft(precision);
    this.constants = CONSTANTS.computeIfAbsent(precision, Constants::of);
  }

  /**
   * The rounded variate.
   *
   * @param bits the bit strings of U and V
   * @param sine whether this element is the sine of its pair
   * @param sigma standard deviation, taken as the exact value of the double; positive and finite
   * @throws IllegalStateException if 4096 bits of each do not decide the rounding, which honest
   *     bits never do
   */
  static long round(Bits bits, boolean sine, double sigma) {
    BigInteger u = BigInteger.ZERO;
    BigInteger v = BigInteger.ZERO;
    for (int level = 0; level < MAX_LEVELS; level++) {
      long[] next = bits.at(level);
      u = append(u, next[0]);
      v = append(v, next[1]);
      Arrays.fill(next, 0);
      if (u.signum() == 0) {
        continue;
      }
      Interval rounded = new ExactGaussian(level + 1).rounded(u, v, sine, sigma);
      if (rounded.low().equals(rounded.high())) {
        return rounded.low().longValueExact();
      }
    }
    throw new IllegalStateException(
        "NoiseStream: the random bits do not decide a rounding; the random source is broken");
  }

  private static BigInteger append(BigInteger number, long word) {
    return number.shiftLeft(64).or(new BigInteger(Long.toUnsignedString(word)));
  }

  /**
   * Error of a series or product below, in units of 2^-precision: a few units for each of at most
   * precision terms.
   */
  private BigInteger slack() {
    return BigInteger.valueOf(16L * precision);
  }

  /**
   * floor(sigma N + 1/2) at both ends of the interval for N; U in [u, u + 1] 2^-width, V likewise.
   */
  private Interval rounded(BigInteger u, BigInteger v, boolean sine, double sigma) {
    Interval radius = radius(u);
    Interval trigonometric = trigonometric(v, sine);
    BigInteger low =
        radius.low().multiply(trigonometric.low()).min(radius.high().multiply(trigonometric.low()));
    BigInteger high =
        radius
            .low()
            .multiply(trigonometric.high())
            .max(radius.high().multiply(trigonometric.high()));
    int exponent = Math.getExponent(sigma) - 52;
    BigInteger mantissa = BigInteger.valueOf((long) Math.scalb(sigma, -exponent));
    int scale = 2 * precision - exponent;
    return new Interval(
        roundHalfUp(low.multiply(mantissa), scale), roundHalfUp(high.multiply(mantissa), scale));
  }

  private static BigInteger roundHalfUp(BigInteger number, int scale) {
    return number.add(BigInteger.ONE.shiftLeft(scale - 1)).shiftRight(scale);
  }

  /** sqrt(-2 ln U). */
  private Interval radius(BigInteger u) {
    BigInteger low = negativeLog(u.add(BigInteger.ONE)).subtract(slack()).max(BigInteger.ZERO);
    BigInteger high = negativeLog(u).add(slack());
    return new Interval(
        low.shiftLeft(precision + 1).sqrt(),
        high.shiftLeft(precision + 1).sqrt().add(BigInteger.ONE));
  }

  /**
   * -ln(number 2^-width), number in 1..2^width, by ln m = 2 artanh((m - 1) / (m + 1)) with m in [1,
   * 2).
   */
  private BigInteger negativeLog(BigInteger number) {
    int shift = number.bitLength() - 1;
    BigInteger m = number.shiftLeft(precision - shift);
    BigInteger power = m.subtract(one).shiftLeft(precision).divide(m.add(one));
    BigInteger square = power.multiply(power).shiftRight(precision);
    BigInteger sum = power;
    for (long i = 3; power.signum() != 0; i += 2) {
      power = power.multiply(square).shiftRight(precision);
      sum = sum.add(power.divide(BigInteger.valueOf(i)));
    }
    return constants.ln2().multiply(BigInteger.valueOf(width - shift)).subtract(sum.shiftLeft(1));
  }

  /**
   * cos 2 pi V or sin 2 pi V: the value at the low end of V, widened by 2 pi 2^-width for the
   * unseen bits.
   */
  private Interval trigonometric(BigInteger v, boolean sine) {
    BigInteger turned = v.add(BigInteger.ONE.shiftLeft(width - 3));
    int quadrant = turned.shiftRight(width - 2).intValue() & 3;
    BigInteger fraction =
        turned
            .and(BigInteger.ONE.shiftLeft(width - 2).subtract(BigInteger.ONE))
            .subtract(BigInteger.ONE.shiftLeft(width - 3));
    BigInteger y = constants.pi().multiply(fraction).shiftRight(width - 1);
    boolean useSine = sine == ((quadrant & 1) == 0);
    BigInteger value = useSine ? taylor(y, y, 2) : taylor(one, y, 1);
    boolean negative = sine ? quadrant >= 2 : quadrant == 1 || quadrant == 2;
    BigInteger unseen = BigInteger.valueOf(7).shiftLeft(precision - width);
    return Interval.around(negative ? value.negate() : value, slack().add(unseen));
  }

  /**
   * first - first y^2 / (n (n+1)) + ...: the sine of y from (y, n = 2), the cosine from (1, n = 1).
   */
  private BigInteger taylor(BigInteger first, BigInteger y, long n) {
    BigInteger square = y.multiply(y).shiftRight(precision);
    BigInteger term = first;
    BigInteger sum = first;
    for (long i = n; term.signum() != 0; i += 2) {
      term =
          term.multiply(square)
              .shiftRight(precision)
              .divide(BigInteger.valueOf(i * (i + 1)))
              .negate();
      sum = sum.add(term);
    }
    return sum;
  }
}
