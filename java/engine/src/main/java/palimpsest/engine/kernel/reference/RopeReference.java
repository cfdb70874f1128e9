package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Rope;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Rope} in float64. */
final class RopeReference implements Rope {
  @Override
  public void forward(Tensor x, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor y) {
    rotate(x, heads, positions, cos, sin, 1, y);
  }

  @Override
  public void backward(Tensor dy, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor dx) {
    rotate(dy, heads, positions, cos, sin, -1, dx);
  }

  private static void rotate(
      Tensor x, int heads, Tensor positions, Tensor cos, Tensor sin, int direction, Tensor y) {
    int width = Math.toIntExact(x.cols());
    int half = Math.toIntExact(cos.cols());
    if (heads < 1 || width % heads != 0 || 2 * half > width / heads) {
      throw new IllegalArgumentException(
          heads + " heads of rotary size " + 2 * half + " do not fit rows of " + width);
    }
    Check.matrix("sin", sin, cos.rows(), half);
    Check.type("positions", positions, DType.I32);
    Check.vector("positions", positions, x.rows());
    Check.matrix("y", y, x.rows(), width);
    int size = width / heads;
    double[] row = new double[width];
    double[] c = new double[half];
    double[] s = new double[half];
    for (long n = 0; n < x.rows(); n++) {
      Rows.read(x, n, row, 0);
      int position = Check.index("positions", positions, n, cos.rows());
      Rows.read(cos, position, c, 0);
      Rows.read(sin, position, s, 0);
      for (int head = 0; head < heads; head++) {
        for (int i = 0; i < half; i++) {
          int first = head * size + i;
          double a = row[first];
          double b = row[first + half];
          row[first] = a * c[i] - direction * (b * s[i]);
          row[first + half] = b * c[i] + direction * (a * s[i]);
        }
      }
      Rows.write(y, n, row, 0);
    }
  }
}
