package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Root-mean-square normalisation (Zhang and Sennrich 2019) of N rows of width C: y = x * rstd *
 * weight.
 */
public interface Rmsnorm {
  /**
   * @param x wide [N, C]
   * @param weight wide [C]
   * @param y compute [N, C]
   * @param rstd wide [N]: 1 / sqrt(mean(x^2) + eps), kept for the backward pass
   */
  void forward(Tensor x, Tensor weight, double eps, Tensor y, Tensor rstd);

  /**
   * Adds the gradient: {@code dx += rstd * (w*dy - x * rstd^2 * mean(w*dy*x))}.
   *
   * @param dy wide [N, C]
   * @param dx wide [N, C], added to
   */
  void backward(Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx);

  /**
   * Adds one example's weight gradient: {@code dWeight += sum over n in [from, to) of dy[n] * x[n]
   * * rstd[n]}.
   */
  void exampleGrad(Tensor dy, Tensor x, Tensor rstd, long from, long to, Tensor dWeight);
}
