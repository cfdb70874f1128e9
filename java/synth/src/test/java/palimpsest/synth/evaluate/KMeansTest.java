package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class KMeansTest {

  private static double squaredDistance(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> (a[i] - b[i]) * (a[i] - b[i])).sum();
  }

  private static double[][] points(Random random, int n, int d) {
    return IntStream.range(0, n)
        .mapToObj(_ -> random.doubles(d, -1, 1).toArray())
        .toArray(double[][]::new);
  }

  /** The least inertia of all ways to give points to clusters. */
  private static double best(double[][] points, int clusters) {
    double best = Double.POSITIVE_INFINITY;
    for (int code = 0; code < Math.pow(clusters, points.length); code++) {
      int[] assignment = new int[points.length];
      int rest = code;
      for (int i = 0; i < points.length; i++) {
        assignment[i] = rest % clusters;
        rest /= clusters;
      }
      best = Math.min(best, inertia(points, assignment, clusters));
    }
    return best;
  }

  private static double inertia(double[][] points, int[] assignment, int clusters) {
    double sum = 0;
    for (int c = 0; c < clusters; c++) {
      double[] mean = mean(points, assignment, c);
      for (int i = 0; i < points.length; i++) {
        sum += assignment[i] == c ? squaredDistance(points[i], mean) : 0;
      }
    }
    return sum;
  }

  private static double[] mean(double[][] points, int[] assignment, int cluster) {
    double[] mean = new double[points[0].length];
    long members = Arrays.stream(assignment).filter(c -> c == cluster).count();
    for (int i = 0; i < points.length; i++) {
      for (int j = 0; j < mean.length && assignment[i] == cluster; j++) {
        mean[j] += points[i][j] / members;
      }
    }
    return mean;
  }

  @Property(tries = 30)
  void findsTheBestOfAllPartitions(
      @ForAll @IntRange(min = 3, max = 8) int n,
      @ForAll @IntRange(min = 1, max = 3) int clusters,
      @ForAll long seed) {
    double[][] points = points(new Random(seed), n, 2);
    KMeans found = KMeans.of(points, clusters, 2000, 100, seed);
    assertEquals(best(points, clusters), found.inertia(), 1e-12);
    assertEquals(inertia(points, found.assignment(), clusters), found.inertia(), 1e-12);
  }

  /** At the end nothing moves: each point has its nearest centroid, each centroid is a mean. */
  @Property(tries = 50)
  void endsAtAFixedPoint(
      @ForAll @IntRange(min = 1, max = 60) int n,
      @ForAll @IntRange(min = 1, max = 9) int most,
      @ForAll long seed) {
    double[][] points = points(new Random(seed), n, 3);
    KMeans found = KMeans.of(points, Math.min(n, most), 2, 500, seed);
    double inertia = 0;
    for (int i = 0; i < n; i++) {
      double own = squaredDistance(points[i], found.centroids()[found.assignment()[i]]);
      for (double[] centroid : found.centroids()) {
        assertTrue(own <= squaredDistance(points[i], centroid) + 1e-12);
      }
      inertia += own;
    }
    assertEquals(inertia, found.inertia(), 1e-12);
    for (int c : found.assignment()) {
      assertArrayEquals(mean(points, found.assignment(), c), found.centroids()[c], 1e-12);
    }
  }

  /** As many clusters as there are different points: seeds are never drawn where one is. */
  @Test
  void equalPointsAreOneCluster() {
    double[][] different = points(new Random(9), 40, 2);
    double[][] points = new double[400][];
    Arrays.setAll(points, i -> different[i % 40]);
    KMeans found = KMeans.of(points, 40, 1, 500, 1);
    assertEquals(0, found.inertia(), 1e-20);
    assertEquals(40, Arrays.stream(found.assignment()).distinct().count());
  }

  @Test
  void theSameSeedGivesTheSameBits() {
    double[][] points = points(new Random(4), 300, 5);
    KMeans once = KMeans.of(points, 30, 3, 100, 17);
    KMeans again = KMeans.of(points, 30, 3, 100, 17);
    assertArrayEquals(once.assignment(), again.assignment());
    assertArrayEquals(once.centroids(), again.centroids());
    KMeans other = KMeans.of(points, 30, 3, 100, 18);
    assertTrue(!Arrays.equals(once.assignment(), other.assignment()));
  }

  @Test
  void theBestStartIsKept() {
    double[][] points = points(new Random(6), 200, 2);
    double one = KMeans.of(points, 20, 1, 100, 3).inertia();
    double many = KMeans.of(points, 20, 20, 100, 3).inertia();
    assertTrue(many < one, one + " with one start, " + many + " with twenty");
  }

  @Test
  void edges() {
    double[][] equal = {{1, 2}, {1, 2}, {1, 2}};
    KMeans flat = KMeans.of(equal, 3, 2, 10, 1);
    assertEquals(0, flat.inertia());
    assertArrayEquals(new int[3], flat.assignment());
    double[][] one = {{7}};
    assertArrayEquals(one, KMeans.of(one, 1, 1, 1, 1).centroids());
    assertThrows(IllegalArgumentException.class, () -> KMeans.of(one, 2, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> KMeans.of(one, 0, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> KMeans.of(one, 1, 0, 1, 1));
    assertThrows(
        IllegalArgumentException.class, () -> KMeans.of(new double[][] {{Double.NaN}}, 1, 1, 1, 1));
  }
}
