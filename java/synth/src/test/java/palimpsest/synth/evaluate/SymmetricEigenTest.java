package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SymmetricEigenTest {

  private static double dot(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
  }

  /** A v = lambda v for vectors of length 1 at right angles, the largest value first. */
  private static void assertDecomposes(double[][] matrix) {
    SymmetricEigen eigen = new SymmetricEigen(matrix);
    int n = matrix.length;
    double scale = Arrays.stream(matrix).flatMapToDouble(Arrays::stream).map(Math::abs).sum();
    double tolerance = 1e-14 * (1 + scale);
    for (int i = 0; i < n; i++) {
      double[] vector = eigen.vectors()[i];
      for (int row = 0; row < n; row++) {
        assertEquals(eigen.values()[i] * vector[row], dot(matrix[row], vector), tolerance);
      }
      for (int j = 0; j <= i; j++) {
        assertEquals(i == j ? 1 : 0, dot(vector, eigen.vectors()[j]), 1e-13 * (n + 1));
        assertTrue(eigen.values()[j] >= eigen.values()[i]);
      }
    }
  }

  @Test
  void byHand() {
    SymmetricEigen eigen = new SymmetricEigen(new double[][] {{2, 1}, {1, 2}});
    assertArrayEquals(new double[] {3, 1}, eigen.values(), 1e-15);
    assertEquals(0.5, eigen.vectors()[0][0] * eigen.vectors()[0][1], 1e-15);
    assertEquals(-0.5, eigen.vectors()[1][0] * eigen.vectors()[1][1], 1e-15);
  }

  /** Second differences: 2 - 2 cos(k pi / (n + 1)). */
  @Test
  void knownSpectrum() {
    int n = 60;
    double[][] matrix = new double[n][n];
    for (int i = 0; i < n; i++) {
      matrix[i][i] = 2;
      if (i > 0) {
        matrix[i][i - 1] = -1;
        matrix[i - 1][i] = -1;
      }
    }
    double[] expected =
        IntStream.rangeClosed(1, n)
            .mapToDouble(k -> 2 + 2 * Math.cos(k * Math.PI / (n + 1)))
            .toArray();
    assertArrayEquals(expected, new SymmetricEigen(matrix).values(), 1e-13);
    assertDecomposes(matrix);
  }

  /** Whole numbers in a narrow range, so that equal eigenvalues and zeros come up. */
  @Property(tries = 300)
  void decomposesAnySymmetricMatrix(
      @ForAll @IntRange(min = 1, max = 12) int n,
      @ForAll @IntRange(max = 3) int range,
      @ForAll long seed) {
    Random random = new Random(seed);
    double[][] matrix = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        matrix[i][j] = random.nextInt(-range, range + 1);
        matrix[j][i] = matrix[i][j];
      }
    }
    assertDecomposes(matrix);
  }

  /** A covariance of fewer points than dimensions: most of the values are zero. */
  @Test
  void lowRank() {
    int n = 100;
    double[][] matrix = new double[n][n];
    Random random = new Random(2);
    for (int point = 0; point < 5; point++) {
      double[] x = random.doubles(n, -1, 1).toArray();
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          matrix[i][j] += x[i] * x[j];
        }
      }
    }
    assertDecomposes(matrix);
    double[] values = new SymmetricEigen(matrix).values();
    assertTrue(values[4] > 1 && Math.abs(values[5]) < 1e-12 && Math.abs(values[99]) < 1e-12);
  }

  @Test
  void edges() {
    assertEquals(0, new SymmetricEigen(new double[0][0]).values().length);
    assertArrayEquals(new double[] {-7}, new SymmetricEigen(new double[][] {{-7}}).values());
    assertArrayEquals(new double[3], new SymmetricEigen(new double[3][3]).values());
    double[][] diagonal = {{1, 0, 0}, {0, 3, 0}, {0, 0, 2}};
    assertArrayEquals(new double[] {3, 2, 1}, new SymmetricEigen(diagonal).values());
    assertDecomposes(diagonal);
    assertDecomposes(new double[][] {{1e-160, 1e-160}, {1e-160, 2e-160}});
    assertDecomposes(new double[][] {{1e150, 2e149, 0}, {2e149, 1e-150, 1}, {0, 1, -1e150}});
  }
}
