package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Rmsnorm;
import palimpsest.engine.tensor.Tensor;

/** {@link Rmsnorm} in float64. */
final class RmsnormReference implements Rmsnorm {
  @Override
  public void forward(Tensor x, Tensor weight, double eps, Tensor y, Tensor rstd) {
    int width = Math.toIntExact(x.cols());
    Check.vector("weight", weight, width);
    Check.matrix("y", y, x.rows(), width);
    Check.vector("rstd", rstd, x.rows());
    double[] w = Rows.all(weight);
    double[] row = new double[width];
    for (long n = 0; n < x.rows(); n++) {
      Rows.read(x, n, row, 0);
      double squares = 0;
      for (int i = 0; i < width; i++) {
        squares += row[i] * row[i];
      }
      double r = 1 / Math.sqrt(squares / width + eps);
      for (int i = 0; i < width; i++) {
        row[i] = row[i] * r * w[i];
      }
      Rows.write(y, n, row, 0);
      rstd.set(n, r);
    }
  }

  @Override
  public void backward(Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx) {
    int width = Math.toIntExact(x.cols());
    Check.vector("weight", weight, width);
    Check.matrix("dy", dy, x.rows(), width);
    Check.vector("rstd", rstd, x.rows());
    Check.matrix("dx", dx, x.rows(), width);
    double[] w = Rows.all(weight);
    double[] row = new double[width];
    double[] g = new double[width];
    for (long n = 0; n < x.rows(); n++) {
      Rows.read(x, n, row, 0);
      Rows.read(dy, n, g, 0);
      double r = rstd.get(n);
      double product = 0;
      for (int i = 0; i < width; i++) {
        g[i] *= w[i];
        product += g[i] * row[i];
      }
      double pull = r * r * (product / width);
      for (int i = 0; i < width; i++) {
        g[i] = r * (g[i] - row[i] * pull);
      }
      Rows.add(dx, n, g, 0);
    }
  }

  @Override
  public void exampleGrad(Tensor dy, Tensor x, Tensor rstd, long from, long to, Tensor dWeight) {
    int width = Math.toIntExact(x.cols());
    Check.matrix("dy", dy, x.rows(), width);
    Check.vector("rstd", rstd, x.rows());
    Check.range(from, to, x.rows());
    Check.vector("dWeight", dWeight, width);
    double[] row = new double[width];
    double[] g = new double[width];
    for (long n = from; n < to; n++) {
      Rows.read(x, n, row, 0);
      Rows.read(dy, n, g, 0);
      double r = rstd.get(n);
      for (int i = 0; i < width; i++) {
        row[i] *= g[i] * r;
      }
      // Onto what is there: in how many calls an example's rows come must not matter.
      Rows.add(dWeight, 0, row, 0);
    }
  }
}
