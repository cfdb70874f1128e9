package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Principal component analysis: the directions in which points vary most, as eigenvectors of their
 * covariance (Jolliffe, "Principal component analysis"). For n points of d dimensions O(n d^2 +
 * d^3) time and d^2 doubles.
 */
public final class PrincipalComponents {
  private final double[] mean;
  private final double[] variances;
  private final double[][] axes;

  private PrincipalComponents(double[] mean, SymmetricEigen eigen) {
    this.mean = mean;
    // What rounding puts below zero is zero.
    variances = Arrays.stream(eigen.values()).map(value -> Math.max(0, value)).toArray();
    axes = eigen.vectors();
  }

  /**
   * Analyses points.
   *
   * @param points n rows of d finite numbers, n and d at least 1
   */
  public static PrincipalComponents of(double[][] points) {
    requirePoints(points);
    double[] mean = mean(points);
    int dimensions = mean.length;
    double[][] covariance = new double[dimensions][dimensions];
    double[] centred = new double[dimensions];
    for (double[] point : points) {
      for (int i = 0; i < dimensions; i++) {
        centred[i] = point[i] - mean[i];
      }
      for (int i = 0; i < dimensions; i++) {
        double[] row = covariance[i];
        for (int j = 0; j <= i; j++) {
          row[j] += centred[i] * centred[j];
        }
      }
    }
    double freedom = Math.max(1, points.length - 1);
    for (int i = 0; i < dimensions; i++) {
      for (int j = 0; j <= i; j++) {
        covariance[i][j] /= freedom;
        covariance[j][i] = covariance[i][j];
      }
    }
    return new PrincipalComponents(mean, new SymmetricEigen(covariance));
  }

  static void requirePoints(double[][] points) {
    if (points.length == 0 || points[0].length == 0) {
      throw new IllegalArgumentException("need at least one point of at least one dimension");
    }
    for (double[] point : points) {
      if (point.length != points[0].length || !Arrays.stream(point).allMatch(Double::isFinite)) {
        throw new IllegalArgumentException(
            "all points need the same dimensions, and finite numbers");
      }
    }
  }

  private static double[] mean(double[][] points) {
    double[] mean = new double[points[0].length];
    for (double[] point : points) {
      for (int i = 0; i < mean.length; i++) {
        mean[i] += point[i] / points.length;
      }
    }
    return mean;
  }

  /** The variance along each of the d components, with divisor n - 1, the largest first. */
  public double[] variances() {
    return variances.clone();
  }

  /**
   * How many components explain a share of all variance: the fewest, at least one.
   *
   * @param share in (0, 1)
   */
  public int explaining(double share) {
    double total = Arrays.stream(variances).sum();
    double explained = 0;
    for (int i = 0; i < variances.length; i++) {
      explained += variances[i];
      if (explained >= share * total) {
        return i + 1;
      }
    }
    return variances.length;
  }

  /**
   * Coordinates of points along the first components, from their mean.
   *
   * @param points m rows of d numbers
   * @param count of components, 1 to d
   * @return m rows of {@code count} numbers
   */
  public double[][] project(double[][] points, int count) {
    return Arrays.stream(points)
        .map(point -> IntStream.range(0, count).mapToDouble(c -> along(axes[c], point)).toArray())
        .toArray(double[][]::new);
  }

  private double along(double[] axis, double[] point) {
    double sum = 0;
    for (int i = 0; i < mean.length; i++) {
      sum += axis[i] * (point[i] - mean[i]);
    }
    return sum;
  }
}
