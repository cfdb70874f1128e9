package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Layernorm;
import palimpsest.engine.tensor.Tensor;

/** {@link Layernorm} in float64; the variance is the mean of squared deviations. */
final class LayernormReference implements Layernorm {
  @Override
  public void forward(
      Tensor x, Tensor weight, Tensor bias, double eps, Tensor y, Tensor mean, Tensor rstd) {
    int width = Math.toIntExact(x.cols());
    Check.vector("weight", weight, width);
    Check.vector("bias", bias, width);
    Check.matrix("y", y, x.rows(), width);
    checkStatistics(x, mean, rstd);
    double[] w = Rows.all(weight);
    double[] b = Rows.all(bias);
    double[] row = new double[width];
    for (long n = 0; n < x.rows(); n++) {
      Rows.read(x, n, row, 0);
      double sum = 0;
      for (int i = 0; i < width; i++) {
        sum += row[i];
      }
      double m = sum / width;
      double squares = 0;
      for (int i = 0; i < width; i++) {
        squares += (row[i] - m) * (row[i] - m);
      }
      double r = 1 / Math.sqrt(squares / width + eps);
      for (int i = 0; i < width; i++) {
        row[i] = (row[i] - m) * r * w[i] + b[i];
      }
      Rows.write(y, n, row, 0);
      mean.set(n, m);
      rstd.set(n, r);
    }
  }

  @Override
  public void backward(Tensor dy, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dx) {
    int width = Math.toIntExact(x.cols());
    Check.vector("weight", weight, width);
    Check.matrix("dy", dy, x.rows(), width);
    checkStatistics(x, mean, rstd);
    Check.matrix("dx", dx, x.rows(), width);
    double[] w = Rows.all(weight);
    double[] h = new double[width];
    double[] g = new double[width];
    for (long n = 0; n < x.rows(); n++) {
      normalised(x, mean, rstd, n, h);
      Rows.read(dy, n, g, 0);
      double sum = 0;
      double product = 0;
      for (int i = 0; i < width; i++) {
        g[i] *= w[i];
        sum += g[i];
        product += g[i] * h[i];
      }
      double r = rstd.get(n);
      for (int i = 0; i < width; i++) {
        g[i] = r * (g[i] - sum / width - h[i] * (product / width));
      }
      Rows.add(dx, n, g, 0);
    }
  }

  @Override
  public void exampleGrad(
      Tensor dy,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      long from,
      long to,
      Tensor dWeight,
      Tensor dBias) {
    int width = Math.toIntExact(x.cols());
    Check.matrix("dy", dy, x.rows(), width);
    checkStatistics(x, mean, rstd);
    Check.range(from, to, x.rows());
    Check.vector("dWeight", dWeight, width);
    Check.vector("dBias", dBias, width);
    double[] h = new double[width];
    double[] g = new double[width];
    for (long n = from; n < to; n++) {
      normalised(x, mean, rstd, n, h);
      Rows.read(dy, n, g, 0);
      for (int i = 0; i < width; i++) {
        h[i] *= g[i];
      }
      // Onto what is there: in how many calls an example's rows come must not matter.
      Rows.add(dWeight, 0, h, 0);
      Rows.add(dBias, 0, g, 0);
    }
  }

  private static void checkStatistics(Tensor x, Tensor mean, Tensor rstd) {
    Check.vector("mean", mean, x.rows());
    Check.vector("rstd", rstd, x.rows());
  }

  /** h = (x - mean) * rstd of row n. */
  private static void normalised(Tensor x, Tensor mean, Tensor rstd, long n, double[] h) {
    Rows.read(x, n, h, 0);
    double m = mean.get(n);
    double r = rstd.get(n);
    for (int i = 0; i < h.length; i++) {
      h[i] = (h[i] - m) * r;
    }
  }
}
