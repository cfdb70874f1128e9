package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against values to 17 digits from tables, and against definitions. */
class SpecialFunctionsTest {
  @ParameterizedTest
  @CsvSource({
    "0, 1",
    "0.5, 0.47950012218695346",
    "1, 0.15729920705028513",
    "3, 2.2090496998585441e-5",
    "10, 2.0884875837625448e-45",
    "-1, 1.8427007929497149",
  })
  void complementaryError(double x, double expected) {
    assertEquals(expected, SpecialFunctions.erfc(x), 1e-14 * expected);
  }

  @ParameterizedTest
  @CsvSource({
    "-37.5, -707.66898931750719",
    "-5, -15.064998393988727",
    "0, -0.69314718055994531",
    "2, -0.023012909328963488"
  })
  void logNormal(double x, double expected) {
    assertEquals(expected, SpecialFunctions.logNormalCdf(x), 1e-12 * Math.abs(expected));
  }

  @ParameterizedTest
  @CsvSource({
    "0.25, 1.2880225246980775",
    "1, 0",
    "1.5, -0.12078223763524522",
    "3, 0.69314718055994531",
    "10.5, 13.940625219403763",
    "1000, 5905.2204232091812",
  })
  void logGamma(double x, double expected) {
    assertEquals(expected, SpecialFunctions.logGamma(x), 1e-14 * (1 + Math.abs(expected)));
  }

  @Test
  void quantileInvertsTheDistribution() {
    for (double p : new double[] {1e-300, 1e-20, 1e-6, 0.3, 0.5, 0.9, 1 - 1e-12}) {
      double x = SpecialFunctions.normalQuantile(p);
      assertEquals(Math.log(p), SpecialFunctions.logNormalCdf(x), 1e-12 * (1 - Math.log(p)));
    }
    assertEquals(Double.NEGATIVE_INFINITY, SpecialFunctions.normalQuantile(0));
  }

  @Test
  void binomialTailIsTheSumOfItsTerms() {
    for (int n : new int[] {1, 7, 60}) {
      for (double p : new double[] {0.01, 0.5, 0.83}) {
        double tail = 0;
        for (int k = n; k >= 0; k--) {
          double choose = 1;
          for (int i = 0; i < k; i++) {
            choose *= (double) (n - i) / (i + 1);
          }
          tail += choose * Math.pow(p, k) * Math.pow(1 - p, n - k);
          assertEquals(tail, SpecialFunctions.binomialTail(n, k, p), 1e-12 * tail + 1e-15);
        }
      }
    }
  }

  @Test
  void powersOfTransformsAreCyclicConvolutions() {
    SplittableRandom random = new SplittableRandom(11);
    for (int n = 4; n <= 512; n *= 2) {
      double[] product = random.doubles(n).toArray();
      double[] factor = random.doubles(n).toArray();
      double[] expected = convolve(convolve(convolve(product, factor), factor), factor);
      RealFft fft = new RealFft(n);
      fft.forward(product);
      fft.forward(factor);
      RealFft.multiplyPower(product, factor, 3);
      fft.inverse(product);
      assertArrayEquals(expected, product, 1e-13 * expected[0]);
    }
  }

  private static double[] convolve(double[] a, double[] b) {
    double[] out = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < b.length; j++) {
        out[(i + j) % a.length] += a[i] * b[j];
      }
    }
    return out;
  }
}
