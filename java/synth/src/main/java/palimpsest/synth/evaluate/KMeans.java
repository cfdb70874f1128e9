package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.Random;

/**
 * k-means clustering: Lloyd's algorithm ("Least squares quantization in PCM", IEEE Transactions on
 * Information Theory 28, 1982) from k-means++ seeds (Arthur and Vassilvitskii, SODA 2007), several
 * times, of which the best is kept. The same seed gives the same bits.
 *
 * @param centroids k rows of d numbers
 * @param assignment for each of the n points the number of its nearest centroid, the lowest of
 *     equals
 * @param inertia sum of the squared distances of the points to their centroids
 */
public record KMeans(double[][] centroids, int[] assignment, double inertia) {

  /**
   * Clusters points. A round of a restart takes O(n k d) time, and all take n + 3 k d doubles.
   *
   * @param points n rows of d finite numbers
   * @param clusters k, 1 to n; some stay empty if fewer points are different
   * @param restarts at least 1
   * @param rounds of Lloyd's algorithm that a restart may take, if it does not end by itself
   * @param seed of the choice of the first centroids
   */
  public static KMeans of(double[][] points, int clusters, int restarts, int rounds, long seed) {
    PrincipalComponents.requirePoints(points);
    if (clusters < 1 || clusters > points.length) {
      throw new IllegalArgumentException(
          "%d points cannot make %d clusters".formatted(points.length, clusters));
    }
    if (restarts < 1) {
      throw new IllegalArgumentException("k-means needs at least one start, got " + restarts);
    }
    Random random = new Random(seed);
    KMeans best = null;
    for (int i = 0; i < restarts; i++) {
      KMeans found = new Lloyd(points, clusters, random).run(rounds);
      best = best == null || found.inertia < best.inertia ? found : best;
    }
    return best;
  }

  private static double squaredDistance(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
  }

  private static final class Lloyd {
    /** Points that are compared with the centroids at a time, so that these are read less often. */
    private static final int BLOCK = 4;

    private final double[][] points;
    private final double[][] centroids;
    private final int[] assignment;

    /** From each point to its centroid, squared. */
    private final double[] distances;

    /** Element j of each centroid, side by side. */
    private final double[][] columns;

    /** For each point of a block and each centroid, the distance but for what they all have. */
    private final double[][] scores;

    Lloyd(double[][] points, int clusters, Random random) {
      this.points = points;
      assignment = new int[points.length];
      distances = new double[points.length];
      columns = new double[points[0].length][clusters];
      scores = new double[BLOCK][clusters];
      centroids = new double[clusters][];
      seed(random);
    }

    /** k-means++: the next centroid is a point with a chance that grows with its distance. */
    private void seed(Random random) {
      centroids[0] = points[random.nextInt(points.length)].clone();
      Arrays.fill(distances, Double.POSITIVE_INFINITY);
      for (int c = 1; c < centroids.length; c++) {
        double total = 0;
        for (int i = 0; i < points.length; i++) {
          distances[i] = Math.min(distances[i], squaredDistance(points[i], centroids[c - 1]));
          total += distances[i];
        }
        centroids[c] = points[draw(random.nextDouble() * total)].clone();
      }
    }

    /** The point at which the sum of the distances passes a number. */
    private int draw(double rest) {
      int last = 0;
      for (int i = 0; i < points.length; i++) {
        if (distances[i] > 0) {
          last = i;
          rest -= distances[i];
          if (rest < 0) {
            return i;
          }
        }
      }
      return last;
    }

    KMeans run(int rounds) {
      assign();
      for (int i = 0; i < rounds; i++) {
        moveCentroids();
        if (!assign()) {
          break;
        }
      }
      return new KMeans(centroids, assignment, Arrays.stream(distances).sum());
    }

    /** Gives each point its nearest centroid; whether that changed for any. */
    private boolean assign() {
      double[] norms = new double[centroids.length];
      for (int c = 0; c < centroids.length; c++) {
        for (int j = 0; j < columns.length; j++) {
          columns[j][c] = centroids[c][j];
          norms[c] += centroids[c][j] * centroids[c][j];
        }
      }
      boolean changed = false;
      for (int first = 0; first < points.length; first += BLOCK) {
        score(first, norms);
        for (int i = first; i < Math.min(first + BLOCK, points.length); i++) {
          int nearest = smallest(scores[i - first]);
          changed |= nearest != assignment[i];
          assignment[i] = nearest;
          distances[i] = squaredDistance(points[i], centroids[nearest]);
        }
      }
      return changed;
    }

    /** |c|^2 - 2 x c for the points from one on; after the last point, for that again. */
    private void score(int first, double[] norms) {
      int last = points.length - 1;
      double[] a = points[first];
      double[] b = points[Math.min(first + 1, last)];
      double[] c = points[Math.min(first + 2, last)];
      double[] d = points[Math.min(first + 3, last)];
      for (double[] row : scores) {
        System.arraycopy(norms, 0, row, 0, norms.length);
      }
      for (int j = 0; j < columns.length; j++) {
        subtract(columns[j], 2 * a[j], 2 * b[j], 2 * c[j], 2 * d[j]);
      }
    }

    private void subtract(double[] column, double a, double b, double c, double d) {
      double[] ofA = scores[0];
      double[] ofB = scores[1];
      double[] ofC = scores[2];
      double[] ofD = scores[3];
      for (int k = 0; k < column.length; k++) {
        ofA[k] -= a * column[k];
        ofB[k] -= b * column[k];
        ofC[k] -= c * column[k];
        ofD[k] -= d * column[k];
      }
    }

    private static int smallest(double[] values) {
      int smallest = 0;
      for (int i = 1; i < values.length; i++) {
        if (values[i] < values[smallest]) {
          smallest = i;
        }
      }
      return smallest;
    }

    /** To the mean of its points each; one that lost them all stays. */
    private void moveCentroids() {
      int[] counts = new int[centroids.length];
      double[][] sums = new double[centroids.length][columns.length];
      for (int i = 0; i < points.length; i++) {
        counts[assignment[i]]++;
        for (int j = 0; j < columns.length; j++) {
          sums[assignment[i]][j] += points[i][j];
        }
      }
      for (int c = 0; c < centroids.length; c++) {
        int count = counts[c];
        if (count > 0) {
          centroids[c] = Arrays.stream(sums[c]).map(sum -> sum / count).toArray();
        }
      }
    }
  }
}
