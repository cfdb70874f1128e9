package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The masses of a discretised step against normal distribution functions in decimal arithmetic. */
class LossCellsTest {
  private static final MathContext DIGITS = ExactDecimals.DIGITS;

  /** Quantile beyond which mass goes to the tails. */
  private static final double Z = 9;

  /** What the sum of all masses may be off by: far less than what each is charged by itself. */
  private static final double OF_A_STEP = 7e-15;

  /** P and Q of what lies below a point, from the definition of a pair. */
  @FunctionalInterface
  private interface Below {
    BigDecimal[] of(double x);
  }

  /** A pair's cells: masses of P and Q between the borders that doubles give. */
  private static final class Cells {
    final long first;
    final double step;
    final BigDecimal[] p;
    final BigDecimal[] q;

    Cells(LossPair pair, Below below, double step) {
      this.step = step;
      double end = pair.end(Z);
      double x = pair.start(Z);
      first = (long) Math.floor(pair.loss(x) / step);
      int cells = (int) ((long) Math.floor(pair.loss(end) / step) - first + 1);
      p = new BigDecimal[cells];
      q = new BigDecimal[cells];
      BigDecimal[] before = below.of(x);
      for (int i = 0; i < cells; i++) {
        double border = i == cells - 1 ? end : pair.position((first + i + 1) * step);
        x = Math.min(end, Math.max(x, border));
        BigDecimal[] at = below.of(x);
        p[i] = at[0].subtract(before[0]);
        q[i] = at[1].subtract(before[1]);
        before = at;
      }
    }

    /**
     * P's part at the upper end when both masses of cell {@code i} go to its ends: (p - e^{l} q) /
     * (1 - e^{-h}), l being the loss at the lower one.
     */
    BigDecimal upperP(int i) {
      BigDecimal fall = ExactDecimals.exp(new BigDecimal(step).negate());
      BigDecimal factor = ExactDecimals.exp(new BigDecimal(step).multiply(decimal(first + i)));
      BigDecimal excess = p[i].subtract(factor.multiply(q[i]));
      return excess.divide(BigDecimal.ONE.subtract(fall), DIGITS);
    }

    private static BigDecimal decimal(long n) {
      return BigDecimal.valueOf(n);
    }

    /** P's masses at the cells' ends. */
    BigDecimal[] ofP() {
      BigDecimal[] mass = zeros();
      for (int i = 0; i < p.length; i++) {
        BigDecimal upper = upperP(i);
        mass[i] = mass[i].add(p[i]).subtract(upper);
        mass[i + 1] = mass[i + 1].add(upper);
      }
      return mass;
    }

    /** Q's masses there, in falling order of the loss, which is the rising one of its negative. */
    BigDecimal[] ofQ() {
      BigDecimal[] mass = zeros();
      BigDecimal step = new BigDecimal(this.step);
      for (int i = 0; i < q.length; i++) {
        BigDecimal upper =
            upperP(i).multiply(ExactDecimals.exp(step.multiply(decimal(-first - i - 1))), DIGITS);
        mass[q.length - i] = mass[q.length - i].add(q[i]).subtract(upper);
        mass[q.length - i - 1] = mass[q.length - i - 1].add(upper);
      }
      return mass;
    }

    private BigDecimal[] zeros() {
      BigDecimal[] zeros = new BigDecimal[p.length + 1];
      Arrays.fill(zeros, BigDecimal.ZERO);
      return zeros;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 0.05",
    "0.5, 0.7, 0.1",
    "0.01, 1, 0.01",
    "0.1, 4, 0.002",
    "0.3, 0.3, 1",
    "0.99999999, 0.3, 0.2",
    "1, 0.2, 2"
  })
  void massesAreWithinTheChargeOfAStep(double rate, double noise, double step) {
    assertWithinTheCharge(new SubsampledGaussian(rate, noise), x -> below(rate, noise, 1, x), step);
  }

  @ParameterizedTest
  @CsvSource({
    "0.3, 1, 3, 0.2",
    "0.01, 2, 5, 0.02",
    "0.02, 4, 20, 0.02",
    "0.5, 12, 20, 0.2",
    "0.004, 3, 100, 0.1"
  })
  void massesOfManyRecordsAreWithinIt(double rate, double noise, int records, double step) {
    assertWithinTheCharge(
        MixturePair.binomial(rate, noise, records), x -> below(rate, noise, records, x), step);
  }

  private static void assertWithinTheCharge(LossPair pair, Below below, double step) {
    LossCells cells = new LossCells(pair, step, Z);
    Cells exact = new Cells(pair, below, step);
    assertClose(exact.ofP(), pair.below(pair.start(Z)).p(), cells.upper(false));
    assertClose(exact.ofQ(), pair.above(pair.end(Z)).q(), cells.upper(true));
    assertRelative(exact.p, cells.masses(false), cells.upper(false).roundOff);
    assertRelative(exact.q, cells.masses(true), cells.upper(true).roundOff);
  }

  /** Each of some records is in the batch by itself with the probability {@code rate}. */
  private static BigDecimal[] below(double rate, double noise, int records, double x) {
    BigDecimal in = new BigDecimal(rate);
    BigDecimal p = BigDecimal.ZERO;
    BigDecimal choices = BigDecimal.ONE;
    for (int count = 0; count <= records; count++) {
      BigDecimal weight =
          choices
              .multiply(in.pow(count))
              .multiply(BigDecimal.ONE.subtract(in).pow(records - count, DIGITS));
      if (weight.doubleValue() > 1e-40) {
        p = p.add(weight.multiply(normalBelow(noise, x, count)));
      }
      choices =
          choices
              .multiply(BigDecimal.valueOf(records - count))
              .divide(BigDecimal.valueOf(count + 1));
    }
    return new BigDecimal[] {p.round(DIGITS), normalBelow(noise, x, 0)};
  }

  private static BigDecimal normalBelow(double noise, double x, int mean) {
    BigDecimal place = new BigDecimal(x).subtract(BigDecimal.valueOf(mean));
    return ExactDecimals.normalCdf(place.divide(new BigDecimal(noise), DIGITS));
  }

  /** In the sum over all cells; the tail of lowest loss is in the lowest cell. */
  private static void assertClose(BigDecimal[] exact, double tail, LossPmf pmf) {
    double error = 0;
    for (int i = 0; i < exact.length; i++) {
      BigDecimal expected = i == 1 ? exact[i].add(new BigDecimal(tail)) : exact[i];
      error += expected.subtract(new BigDecimal(pmf.mass[i])).abs().doubleValue();
    }
    assertTrue(error <= OF_A_STEP, "masses are off by " + error);
  }

  /** Each cell by itself, however little it holds: a tilt may make it the heaviest. */
  private static void assertRelative(BigDecimal[] exact, double[] masses, double allowed) {
    for (int i = 0; i < exact.length; i++) {
      double mass = exact[i].doubleValue();
      double off = exact[i].subtract(new BigDecimal(masses[i])).abs().doubleValue();
      assertTrue(off <= allowed * mass, "cell " + i + " is off by " + off + " of " + mass);
    }
  }
}
