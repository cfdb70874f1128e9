package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * F filters of one width w over the words of a text, the largest value of each, and what is below 0
 * cut off (Kim 2014). E texts of N words together, D numbers a word.
 */
public interface Convolution {
  /**
   * {@code out[e, f] = max(0, max over t of weight[f]·(x[t], ..., x[t + w - 1]) + bias[f])}, over
   * the windows that lie in text e; 0 where it has none.
   *
   * @param x wide [N, D], contiguous
   * @param spans the texts, by the rows of their queries
   * @param weight wide [F, w D], contiguous
   * @param bias wide [F]
   * @param out wide [E, F]
   * @param at I32 [E, F]: the first window of the largest value, counted in the text; -1 where
   *     nothing is above 0
   */
  void forward(Tensor x, Spans spans, Tensor weight, Tensor bias, int width, Tensor out, Tensor at);

  /**
   * Adds the gradient: {@code dx[t], ..., dx[t + w - 1] += dOut[e, f] weight[f]} for t = at[e, f],
   * filter by filter.
   *
   * @param dOut wide [E, F]
   * @param at as written by forward
   * @param dx wide [N, D], contiguous
   */
  void backward(Tensor dOut, Tensor at, Spans spans, Tensor weight, int width, Tensor dx);

  /**
   * Adds the gradients of texts [from, to): {@code dWeight[f] += dOut[e, f] (x[t], ..., x[t + w -
   * 1])}, {@code dBias[f] += dOut[e, f]} for t = at[e, f].
   *
   * @param dWeight wide [F, w D], contiguous
   * @param dBias wide [F]
   */
  void exampleGrad(
      Tensor x,
      Tensor dOut,
      Tensor at,
      Spans spans,
      int from,
      int to,
      int width,
      Tensor dWeight,
      Tensor dBias);
}
