package palimpsest.synth.evaluate;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to tridiagonal form
 * (Golub and Van Loan, "Matrix computations", section 8.3.1), then the implicit QL method
 * (Dubrulle, Martin and Wilkinson, "The implicit QL algorithm", Numerische Mathematik 12, 1968).
 * O(n^3).
 */
final class SymmetricEigen {
  /** Two or three suffice for an eigenvalue. */
  private static final int LARGEST_SWEEPS = 50;

  private static final double ROUNDING = Math.ulp(1.0);

  private final int n;

  /** Of the tridiagonal form; in the end the eigenvalues. */
  private final double[] diagonal;

  /** Element i couples i and i + 1. */
  private final double[] coupling;

  /** Row i belongs to element i of the diagonal. */
  private final double[][] vectors;

  /**
   * Decomposes.
   *
   * @param matrix n rows of n finite numbers, symmetric; unchanged
   * @throws ArithmeticException if an eigenvalue does not converge
   */
  SymmetricEigen(double[][] matrix) {
    n = matrix.length;
    diagonal = new double[n];
    coupling = new double[n];
    vectors = new double[n][n];
    tridiagonalise(IntStream.range(0, n).mapToObj(i -> matrix[i].clone()).toArray(double[][]::new));
    for (int i = 0; i < n; i++) {
      settle(i);
    }
    int[] order =
        IntStream.range(0, n)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> -diagonal[i]))
            .mapToInt(i -> i)
            .toArray();
    double[] values = diagonal.clone();
    double[][] rows = vectors.clone();
    for (int i = 0; i < n; i++) {
      diagonal[i] = values[order[i]];
      vectors[i] = rows[order[i]];
    }
  }

  /** The n eigenvalues, the largest first. */
  double[] values() {
    return diagonal;
  }

  /** The n eigenvectors in the order of the values, each a row of length 1. */
  double[][] vectors() {
    return vectors;
  }

  private void tridiagonalise(double[][] a) {
    double[][] reflectors = new double[Math.max(0, n - 2)][];
    for (int k = 0; k < reflectors.length; k++) {
      reflectors[k] = reflector(a, k);
      reflect(a, reflectors[k], k + 1);
    }
    for (int i = 0; i < n; i++) {
      diagonal[i] = a[i][i];
      vectors[i][i] = 1;
    }
    if (n > 1) {
      coupling[n - 2] = a[n - 1][n - 2];
    }
    for (int k = reflectors.length - 1; k >= 0; k--) {
      for (double[] row : vectors) {
        double twice = 0;
        for (int j = k + 1; j < n; j++) {
          twice += 2 * row[j] * reflectors[k][j];
        }
        for (int j = k + 1; j < n; j++) {
          row[j] -= twice * reflectors[k][j];
        }
      }
    }
  }

  /**
   * The unit vector v for which I - 2 v v' makes zeros of column k below the first element under
   * the diagonal, which becomes the coupling.
   */
  private double[] reflector(double[][] a, int k) {
    double[] v = new double[n];
    double square = 0;
    for (int i = k + 1; i < n; i++) {
      v[i] = a[i][k];
      square += v[i] * v[i];
    }
    double norm = Math.sqrt(square);
    double first = v[k + 1];
    // The sign that adds, so that nothing cancels.
    coupling[k] = first > 0 ? -norm : norm;
    v[k + 1] -= coupling[k];
    double length = Math.sqrt(2 * norm * (norm + Math.abs(first)));
    for (int i = k + 1; i < n && length > 0; i++) {
      v[i] /= length;
    }
    return v;
  }

  /** (I - 2 v v') A (I - 2 v v') = A - v w' - w v', for the rows and columns from one on. */
  private void reflect(double[][] a, double[] v, int from) {
    double[] w = new double[n];
    double product = 0;
    for (int i = from; i < n; i++) {
      for (int j = from; j < n; j++) {
        w[i] += 2 * a[i][j] * v[j];
      }
      product += w[i] * v[i];
    }
    for (int i = from; i < n; i++) {
      w[i] -= product * v[i];
    }
    for (int i = from; i < n; i++) {
      for (int j = from; j < n; j++) {
        a[i][j] -= v[i] * w[j] + w[i] * v[j];
      }
    }
  }

  private void settle(int low) {
    int sweeps = 0;
    for (int high = blockEnd(low); high > low; high = blockEnd(low)) {
      if (++sweeps > LARGEST_SWEEPS) {
        throw new ArithmeticException("eigenvalue " + low + " of " + n + " does not converge");
      }
      sweep(low, high);
    }
  }

  /** The last element that is coupled with one through all between. */
  private int blockEnd(int low) {
    int end = low;
    while (end + 1 < n
        && Math.abs(coupling[end])
            > ROUNDING * (Math.abs(diagonal[end]) + Math.abs(diagonal[end + 1]))) {
      end++;
    }
    return end;
  }

  /**
   * One QL step on a block: a shift near its first eigenvalue, and rotations that chase the bulge.
   */
  private void sweep(int low, int high) {
    double half = (diagonal[low + 1] - diagonal[low]) / (2 * coupling[low]);
    double root = Math.hypot(half, 1);
    double g = diagonal[high] - diagonal[low] + coupling[low] / (half + Math.copySign(root, half));
    double sine = 1;
    double cosine = 1;
    double shift = 0;
    for (int i = high - 1; i >= low; i--) {
      double bulge = sine * coupling[i];
      double rest = cosine * coupling[i];
      double r = Math.hypot(bulge, g);
      coupling[i + 1] = r;
      if (r == 0) {
        diagonal[i + 1] -= shift;
        coupling[high] = 0;
        return;
      }
      sine = bulge / r;
      cosine = g / r;
      g = diagonal[i + 1] - shift;
      double difference = (diagonal[i] - g) * sine + 2 * cosine * rest;
      shift = sine * difference;
      diagonal[i + 1] = g + shift;
      g = cosine * difference - rest;
      rotate(vectors[i], vectors[i + 1], cosine, sine);
    }
    diagonal[low] -= shift;
    coupling[low] = g;
    coupling[high] = 0;
  }

  private static void rotate(double[] a, double[] b, double cosine, double sine) {
    for (int i = 0; i < a.length; i++) {
      double old = b[i];
      b[i] = sine * a[i] + cosine * old;
      a[i] = cosine * a[i] - sine * old;
    }
  }
}
