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

  /** With what a transform of 2^24 points may be off, the 1e-14 that lemma 7 charges for a step. */
  private static final double OF_A_STEP = 7e-15;

  /** A subsampled Gaussian's cells: masses of P and Q between the borders that doubles give. */
  private static final class Cells {
    final long first;
    final double step;
    final BigDecimal[] p;
    final BigDecimal[] q;

    Cells(SubsampledGaussian pair, double step) {
      this.step = step;
      double end = pair.end(Z);
      double x = pair.start(Z);
      first = (long) Math.floor(pair.loss(x) / step);
      int cells = (int) ((long) Math.floor(pair.loss(end) / step) - first + 1);
      p = new BigDecimal[cells];
      q = new BigDecimal[cells];
      BigDecimal[] before = below(pair, x);
      for (int i = 0; i < cells; i++) {
        double border = i == cells - 1 ? end : pair.position((first + i + 1) * step);
        x = Math.min(end, Math.max(x, border));
        BigDecimal[] at = below(pair, x);
        p[i] = at[0].subtract(before[0]);
        q[i] = at[1].subtract(before[1]);
        before = at;
      }
    }

    private static BigDecimal[] below(SubsampledGaussian pair, double x) {
      BigDecimal noise = new BigDecimal(pair.s());
      BigDecimal at = new BigDecimal(x);
      BigDecimal without = ExactDecimals.normalCdf(at.divide(noise, DIGITS));
      BigDecimal with = ExactDecimals.normalCdf(at.subtract(BigDecimal.ONE).divide(noise, DIGITS));
      BigDecimal share = new BigDecimal(pair.q()).multiply(with.subtract(without));
      return new BigDecimal[] {without.add(share), without};
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
    "1, 0.2, 2"
  })
  void massesAreWithinTheChargeOfAStep(double rate, double noise, double step) {
    SubsampledGaussian pair = new SubsampledGaussian(rate, noise);
    LossCells cells = new LossCells(pair, step, Z);
    Cells exact = new Cells(pair, step);
    double below = pair.below(pair.start(Z)).p();
    double above = pair.above(pair.end(Z)).q();
    assertClose(exact.ofP(), below, cells.upper(false));
    assertClose(exact.ofQ(), above, cells.upper(true));
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
}
