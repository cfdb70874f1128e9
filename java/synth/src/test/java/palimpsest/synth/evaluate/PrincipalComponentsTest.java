package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PrincipalComponentsTest {

  private static double[][] random(int n, int d) {
    Random random = new Random(n);
    double[][] points = new double[n][d];
    for (double[] point : points) {
      for (int i = 0; i < d; i++) {
        point[i] = 5 + random.nextGaussian() / (i + 1);
      }
      point[d - 1] += point[0];
    }
    return points;
  }

  private static double squaredDistance(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> (a[i] - b[i]) * (a[i] - b[i])).sum();
  }

  /** A tilted cross: squares of 8 + 8 along (1, 1) and 1/2 + 1/2 across, each over 3. */
  @Test
  void byHand() {
    double[][] points = {{3, 2}, {-1, -2}, {1.5, -0.5}, {0.5, 0.5}};
    PrincipalComponents components = PrincipalComponents.of(points);
    assertArrayEquals(new double[] {16.0 / 3, 1.0 / 3}, components.variances(), 1e-14);
    double[][] projected = components.project(points, 1);
    assertEquals(2 * Math.sqrt(2), Math.abs(projected[0][0]), 1e-14);
    assertEquals(-projected[0][0], projected[1][0], 1e-14);
    assertEquals(0, projected[2][0], 1e-14);
  }

  @Test
  void allComponentsKeepTheDistances() {
    double[][] points = random(40, 7);
    double[][] projected = PrincipalComponents.of(points).project(points, 7);
    for (int i = 1; i < points.length; i++) {
      assertEquals(
          squaredDistance(points[0], points[i]),
          squaredDistance(projected[0], projected[i]),
          1e-12);
    }
  }

  /** The projected points are uncorrelated, centred, and vary as much as is said. */
  @Test
  void projectionsHaveTheVariances() {
    double[][] points = random(200, 6);
    PrincipalComponents components = PrincipalComponents.of(points);
    double[][] projected = components.project(points, 6);
    for (int a = 0; a < 6; a++) {
      for (int b = 0; b < 6; b++) {
        double sum = 0;
        double product = 0;
        for (double[] point : projected) {
          sum += point[a];
          product += point[a] * point[b];
        }
        assertEquals(0, sum, 1e-11);
        assertEquals(a == b ? components.variances()[a] : 0, product / 199, 1e-12);
      }
    }
  }

  @Test
  void explainsTheShareWithTheFewest() {
    double[][] points = {{3, 2}, {-1, -2}, {1.5, -0.5}, {0.5, 0.5}};
    PrincipalComponents components = PrincipalComponents.of(points);
    assertEquals(1, components.explaining(0.9), "16 of 17");
    assertEquals(1, components.explaining(0.94));
    assertEquals(2, components.explaining(0.95));
    assertEquals(1, PrincipalComponents.of(new double[][] {{1, 1}, {1, 1}}).explaining(0.9));
  }

  @Test
  void edges() {
    PrincipalComponents one = PrincipalComponents.of(new double[][] {{4, 5, 6}});
    assertArrayEquals(new double[3], one.variances());
    assertArrayEquals(new double[3], one.project(new double[][] {{4, 5, 6}}, 3)[0], 1e-15);
    for (double[][] bad :
        new double[][][] {
          {}, {{}}, {{1, 2}, {1}}, {{1}, {Double.NaN}}, {{Double.NEGATIVE_INFINITY}}
        }) {
      assertThrows(IllegalArgumentException.class, () -> PrincipalComponents.of(bad));
    }
  }
}
