package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Layer normalisation (Ba et al. 2016) of N rows of width C: y = (x - mean) * rstd * weight + bias.
 */
public interface Layernorm {
  /**
   * @param x wide [N, C]
   * @param weight wide [C]
   * @param bias wide [C]
   * @param y compute or wide [N, C]
   * @param mean wide [N], kept for the backward pass
   * @param rstd wide [N]: 1 / sqrt(variance + eps), kept for the backward pass
   */
  void forward(
      Tensor x, Tensor weight, Tensor bias, double eps, Tensor y, Tensor mean, Tensor rstd);

  /**
   * Adds the gradient: with h = (x - mean) * rstd and g = w*dy, {@code dx += rstd * (g - mean(g) -
   * h * mean(g*h))}.
   *
   * @param dy wide [N, C]
   * @param dx wide [N, C], added to
   */
  void backward(Tensor dy, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dx);

  /**
   * Adds one example's gradients: {@code dWeight += sum dy*h}, {@code dBias += sum dy} over n in
   * [from, to).
   */
  void exampleGrad(
      Tensor dy,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      long from,
      long to,
      Tensor dWeight,
      Tensor dBias);
}
