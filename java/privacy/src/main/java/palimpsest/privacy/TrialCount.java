package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.Arrays;
import java.util.function.LongFunction;
import palimpsest.privacy.TuningTrials.Poisson;
import palimpsest.privacy.TuningTrials.TruncatedNegativeBinomial;

/**
 * Draws the number of tuning runs by inversion: the least k with U < P[K <= k], U of 512 random
 * bits, with probabilities of 100 decimal digits.
 *
 * <p>The total variation between this and the stated distribution is below 2^-128. Each P[K <= k]
 * is off by at most a few units of 10^-93 (rounded terms, and an exponential that is squared up to
 * thirty times), U by 2^-512, and fewer than 10^16 values of k have all but 10^-48 of the mass: at
 * the largest mean and the smallest gamma that are drawn, the sum of all is below 10^-47.
 */
final class TrialCount {
  /** More runs than anybody makes. */
  static final double MOST_MEAN = 1e6;

  /** Below this the number of runs may come out larger than could be counted up to. */
  static final double LEAST_GAMMA = 1e-12;

  private static final MathContext DIGITS = new MathContext(100);
  private static final BigDecimal NEGLIGIBLE = BigDecimal.ONE.movePointLeft(60);
  private static final BigDecimal ONE = BigDecimal.ONE;
  private static final BigDecimal TWO = BigDecimal.TWO;

  private TrialCount() {}

  /** Draw {@code number} of this key. */
  static long draw(TuningTrials trials, SecretKey key, long number) {
    int[] block = new int[ChaCha20.BLOCK_WORDS];
    ChaCha20.blocks(key, Purpose.TRIALS, number, 0, 1, block);
    BigInteger bits = BigInteger.ZERO;
    for (int word : block) {
      bits = bits.shiftLeft(Integer.SIZE).or(BigInteger.valueOf(Integer.toUnsignedLong(word)));
    }
    Arrays.fill(block, 0);
    BigInteger one = BigInteger.ONE.shiftLeft(Integer.SIZE * ChaCha20.BLOCK_WORDS);
    return inverse(trials, new BigDecimal(bits).divide(new BigDecimal(one), DIGITS));
  }

  /** The least k with u < P[K <= k], for u in [0, 1]. */
  static long inverse(TuningTrials trials, BigDecimal u) {
    requireDrawable(trials);
    return switch (trials) {
      case Poisson(double mean) -> {
        BigDecimal rate = new BigDecimal(mean);
        yield search(u, mean, 0, ONE.divide(ONE.add(expm1(rate)), DIGITS), _ -> rate);
      }
      case TruncatedNegativeBinomial law -> {
        BigDecimal shape = new BigDecimal(law.eta());
        BigDecimal goesOn = ONE.subtract(new BigDecimal(law.gamma()));
        yield search(
            u,
            law.mean(),
            1,
            first(law).multiply(goesOn, DIGITS),
            k -> shape.add(BigDecimal.valueOf(k)).multiply(goesOn, DIGITS));
      }
    };
  }

  private static void requireDrawable(TuningTrials trials) {
    boolean spread = trials instanceof TruncatedNegativeBinomial law && law.gamma() < LEAST_GAMMA;
    if (spread || !(trials.mean() <= MOST_MEAN)) {
      throw new IllegalArgumentException(
          "tuning: too many runs may come out to be made; choose a smaller mean or a larger shape");
    }
  }

  /**
   * Takes P[K = k] off u, k by k, until it would turn negative.
   *
   * @param numerator P[K = k + 1] is P[K = k] times this, over k + 1
   */
  private static long search(
      BigDecimal u, double mean, long least, BigDecimal mass, LongFunction<BigDecimal> numerator) {
    BigDecimal left = u;
    BigDecimal next = mass;
    long k = least;
    while (left.compareTo(next) >= 0 && !(k > mean && next.compareTo(NEGLIGIBLE) < 0)) {
      left = left.subtract(next, DIGITS);
      next = next.multiply(numerator.apply(k), DIGITS).divide(BigDecimal.valueOf(k + 1), DIGITS);
      k++;
    }
    return k;
  }

  /** P[K = 1] / (1 - gamma) = eta / (gamma^-eta - 1), and 1 / ln(1/gamma) where eta is 0. */
  private static BigDecimal first(TruncatedNegativeBinomial law) {
    BigDecimal log = minusLog(law.gamma());
    if (law.eta() == 0) {
      return ONE.divide(log, DIGITS);
    }
    BigDecimal size = new BigDecimal(Math.abs(law.eta()));
    BigDecimal odds = expm1(size.multiply(log, DIGITS));
    BigDecimal over = law.eta() > 0 ? size : size.multiply(ONE.add(odds), DIGITS);
    return over.divide(odds, DIGITS);
  }

  /** -ln x for x in (0, 1): each round of Halley's method triples the digits of the first 15. */
  private static BigDecimal minusLog(double x) {
    BigDecimal target = new BigDecimal(x);
    BigDecimal y = new BigDecimal(-Math.log(x));
    for (int i = 0; i < 3; i++) {
      BigDecimal product = target.multiply(ONE.add(expm1(y)), DIGITS);
      BigDecimal step = product.subtract(ONE).divide(product.add(ONE), DIGITS);
      y = y.subtract(TWO.multiply(step), DIGITS);
    }
    return y;
  }

  /** e^x - 1 for x > 0: the series of x / 2^n, doubled n times. */
  private static BigDecimal expm1(BigDecimal x) {
    int doublings = Math.max(0, Math.getExponent(x.doubleValue()) + 8);
    BigDecimal small = x.divide(TWO.pow(doublings), DIGITS);
    BigDecimal term = small;
    BigDecimal sum = small;
    for (int n = 2; term.compareTo(sum.movePointLeft(DIGITS.getPrecision())) > 0; n++) {
      term = term.multiply(small, DIGITS).divide(BigDecimal.valueOf(n), DIGITS);
      sum = sum.add(term, DIGITS);
    }
    for (int i = 0; i < doublings; i++) {
      sum = sum.multiply(sum.add(TWO), DIGITS);
    }
    return sum;
  }
}
