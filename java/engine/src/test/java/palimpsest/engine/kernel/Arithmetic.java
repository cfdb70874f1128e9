package palimpsest.engine.kernel;

import palimpsest.engine.tensor.DType;

/**
 * The arithmetic of a naive loop at a provider's precision: products and sums in float32 (float64
 * for a float64 provider), one after the other, operands of matrix products rounded to the compute
 * type.
 */
record Arithmetic(DType operand) {
  static Arithmetic of(Kernels kernels) {
    return new Arithmetic(kernels.compute());
  }

  /**
   * One rounding after an operation; rounding a double result of two floats is the float result.
   */
  double round(double value) {
    return operand == DType.F64 ? value : (float) value;
  }

  /** To the type in which operands of matrix products are held. */
  double operand(double value) {
    return Tolerance.round(operand, value);
  }

  double add(double a, double b) {
    return round(a + b);
  }

  double mul(double a, double b) {
    return round(a * b);
  }

  /** {@code sum + a * b}, rounded twice. */
  double mulAdd(double a, double b, double sum) {
    return round(round(a * b) + sum);
  }

  double dot(double[] a, int aOffset, double[] b, int bOffset, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum = mulAdd(a[aOffset + i], b[bOffset + i], sum);
    }
    return sum;
  }

  /** a [rows, inner] times the transpose of b [cols, inner]. */
  double[] timesTransposed(double[] a, double[] b, int rows, int inner, int cols) {
    double[] result = new double[rows * cols];
    for (int n = 0; n < rows; n++) {
      for (int p = 0; p < cols; p++) {
        result[n * cols + p] = dot(a, n * inner, b, p * inner, inner);
      }
    }
    return result;
  }

  /** a [rows, inner] times b [inner, cols]. */
  double[] times(double[] a, double[] b, int rows, int inner, int cols) {
    double[] result = new double[rows * cols];
    for (int n = 0; n < rows; n++) {
      for (int i = 0; i < inner; i++) {
        addScaled(a[n * inner + i], b, i * cols, result, n * cols, cols);
      }
    }
    return result;
  }

  /** The transpose of rows [from, to) of a [*, rows] times the same rows of b [*, cols]. */
  double[] transposedTimes(double[] a, double[] b, int from, int to, int rows, int cols) {
    double[] result = new double[rows * cols];
    for (int n = from; n < to; n++) {
      for (int i = 0; i < rows; i++) {
        addScaled(a[n * rows + i], b, n * cols, result, i * cols, cols);
      }
    }
    return result;
  }

  /** {@code y += scale * x}. */
  void addScaled(double scale, double[] x, int xOffset, double[] y, int yOffset, int count) {
    for (int i = 0; i < count; i++) {
      y[yOffset + i] = mulAdd(scale, x[xOffset + i], y[yOffset + i]);
    }
  }

  /** Element by element. */
  double[] plus(double[] a, double[] b) {
    double[] sum = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      sum[i] = add(a[i], b[i]);
    }
    return sum;
  }
}
