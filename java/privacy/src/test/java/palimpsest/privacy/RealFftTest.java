package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RealFftTest {
  private static double[] random(int length) {
    return new Random(length).doubles(length, -1, 1).toArray();
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 8, 16, 64, 256})
  void spectrumIsTheDefiningSum(int n) {
    double[] x = random(n);
    double[] spectrum = x.clone();
    new RealFft(n).forward(spectrum);
    for (int k = 0; k <= n / 2; k++) {
      double re = 0;
      double im = 0;
      for (int j = 0; j < n; j++) {
        double angle = -2 * Math.PI * ((long) j * k % n) / n;
        re += x[j] * Math.cos(angle);
        im += x[j] * Math.sin(angle);
      }
      boolean real = k == 0 || k == n / 2;
      assertEquals(re, k == n / 2 ? spectrum[1] : spectrum[2 * k], 1e-13 * n);
      assertEquals(im, real ? 0 : spectrum[2 * k + 1], 1e-13 * n);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 32, 1024, 1 << 18})
  void inverseUndoesForward(int n) {
    double[] x = random(n);
    double[] y = x.clone();
    RealFft fft = new RealFft(n);
    fft.forward(y);
    fft.inverse(y);
    assertArrayEquals(x, y, 1e-14);
  }

  @Test
  void powerOfASpectrumIsRepeatedConvolution() {
    int n = 64;
    double[] coin = new double[n];
    coin[0] = 0.25;
    coin[1] = 0.75;
    RealFft fft = new RealFft(n);
    fft.forward(coin);
    double[] product = new double[n];
    for (int i = 0; i < n; i += 2) {
      product[i] = 1;
    }
    product[1] = 1;
    RealFft.multiplyPower(product, coin, 41);
    fft.inverse(product);
    for (int k = 0; k <= 41; k++) {
      assertEquals(Math.exp(SpecialFunctions.logBinomialPmf(41, k, 0.75)), product[k], 1e-15);
    }
    assertEquals(0, product[42], 1e-15);
  }

  @Test
  void onlyPowersOfTwoFromFourOn() {
    for (int n : new int[] {-4, 0, 1, 2, 3, 12}) {
      assertThrows(IllegalArgumentException.class, () -> new RealFft(n));
    }
  }
}
