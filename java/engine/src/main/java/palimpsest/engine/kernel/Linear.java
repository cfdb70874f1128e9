package palimpsest.engine.kernel;

import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Linear layers y = x Wᵀ + bias, with the low-rank term of an adapter as further terms of the same
 * sum: N rows, K inputs, P outputs, rank r. Each output element is one sum over K in a fixed order,
 * whatever N is.
 */
public interface Linear {
  /**
   * @param weight any float type [P, K]
   * @param bias any float type [P], or null
   * @param backward whether {@link #backward} will be called (costs a second copy)
   * @param arena holds the packed copy
   */
  LinearWeights pack(Tensor weight, Tensor bias, boolean backward, TensorArena arena);

  /**
   * Puts new values into packed weights, which no product may be reading.
   *
   * @param weight wide [P, K], or if {@code inputMajor} [K, P]; null leaves the matrix as it is
   * @param bias wide [P]; null leaves it as it is, or there is none
   * @param into made by {@link #pack}; the weights that share its copies change with it
   */
  void repack(Tensor weight, boolean inputMajor, Tensor bias, LinearWeights into);

  /**
   * The same matrix, its packed copy shared, with a bias of its own; its values come from {@link
   * #packBias}.
   *
   * @param arena holds the bias
   */
  LinearWeights withBias(LinearWeights weights, TensorArena arena);

  /**
   * Puts new values into a bias (once a step): that of the weights it was made from, if they have
   * one, plus {@code added}.
   *
   * @param added wide [P]
   * @param weights made by {@link #withBias}
   */
  void packBias(Tensor added, LinearWeights weights);

  /**
   * {@code y = x Wᵀ + bias + u Bᵀ}, or {@code y += ...} with {@code add}.
   *
   * @param x compute [N, K]
   * @param u compute [N, r] from {@link Lora#forward}, or null without an adapter
   * @param factors the adapter of this layer, or null
   * @param y compute or wide [N, P]; wide when {@code add}
   */
  void forward(
      Tensor x, LinearWeights weights, Tensor u, LoraFactors factors, Tensor y, boolean add);

  /**
   * {@code dx = dy W + du A}, or {@code dx += ...} with {@code add}.
   *
   * @param dy compute [N, P]
   * @param du compute [N, r] from {@link Lora#backward}, or null without an adapter
   * @param dx wide [N, K]
   */
  void backward(
      Tensor dy, LinearWeights weights, Tensor du, LoraFactors factors, Tensor dx, boolean add);

  /**
   * Adds one example's gradient: {@code dWeight += sum dy[n] ⊗ x[n]} over n in [from, to).
   *
   * @param x compute [N, K]
   * @param dy compute [N, P]
   * @param dWeight wide [P, K]
   * @param workspace wide, see {@link #workspace}
   */
  void exampleGrad(Tensor x, Tensor dy, long from, long to, Tensor dWeight, Tensor workspace);

  /**
   * Adds one example's gradient: {@code dBias += sum dy[n]} over n in [from, to), in that order.
   *
   * @param dy compute [N, P]
   * @param dBias wide [P]
   */
  void biasExampleGrad(Tensor dy, long from, long to, Tensor dBias);

  /**
   * Numbers of scratch memory that {@link #exampleGrad}, {@link #exampleNorm} and {@link
   * #accumulate} need for groups of at most so many rows and examples, and products of at most
   * {@code left x right}.
   *
   * @param type of the two, compute or wide
   */
  default long workspace(DType type, long rows, int examples, long left, long right) {
    return workspace(type, rows, examples, left, right, 0);
  }

  /**
   * The same, where norms may also be estimated by a sketch.
   *
   * @param type of the two, compute or wide
   * @param sketches the most vectors of a sketch; 0 for none
   */
  long workspace(DType type, long rows, int examples, long left, long right, long sketches);

  /**
   * Squared L2 norm of one example's {@code g = sum left[n] ⊗ right[n]} over n in [from, to), a
   * weight's gradient [M, K], which is not kept: {@code sum over n, m of (left[n]·left[m])
   * (right[n]·right[m])} where that is less work, else element by element. Which of the two depends
   * on the example's own length.
   *
   * @param left compute [N, M]
   * @param right compute [N, K]
   * @param workspace wide, see {@link #workspace}
   */
  double exampleNorm(Tensor left, Tensor right, long from, long to, Tensor workspace);

  /**
   * An estimate of the same by a sketch, and of g with the rows of {@code more} added to it: the
   * mean over the m outputs v of {@code vectors} of {@code |gᵀ v|²}, by {@code gᵀ v = sum
   * (left[n]·v) right[n]} (Hutchinson's estimator of the trace of g gᵀ). With entries of v that are
   * +1 or -1, pairwise independent and independent of g, its expectation is the squared norm. It
   * takes about {@code 2(to - from)(M + K) m} FLOP and is a function of the example and the vectors
   * alone.
   *
   * @param left compute [N, M]
   * @param right compute [N, K]
   * @param vectors packed, M inputs and m outputs, no bias
   * @param more what else the gradient consists of, as in {@link #accumulate}; or null
   * @param example which of {@code more}'s
   * @param workspace wide, see {@link #workspace}; rows of {@code more} may be as many as {@code
   *     rows} there
   */
  double exampleNorm(
      Tensor left,
      Tensor right,
      long from,
      long to,
      LinearWeights vectors,
      EmbeddingRows more,
      int example,
      Tensor workspace);

  /**
   * Verified sum of a group's weight gradients, of which none is kept: for each example e of rows
   * [starts[e], starts[e + 1]), {@code z = trunc(factor_e g_e)} clamped to |z| <= 2^bits, NaN as 0,
   * with g as in {@link #exampleNorm} and the rows of {@code more} added to it; {@code sums += z
   * ratio_e / 2^32}, toward zero, modulo 2^32; {@code total_e += sum z^2}.
   *
   * @param left compute or wide [N, M]
   * @param right of the same type [N, K]
   * @param starts I32 [E + 1], ascending
   * @param more what else the gradient consists of, where the weight is an embedding's table too;
   *     or null
   * @param sums I32 [M, K]
   * @param workspace wide, see {@link #workspace}
   */
  void accumulate(
      Tensor left,
      Tensor right,
      Tensor starts,
      ClippedExamples examples,
      EmbeddingRows more,
      Tensor sums,
      Tensor workspace);

  /** Rounds to the type of {@code to}: from wide [N, C], to compute [N, C]. */
  void round(Tensor from, Tensor to);
}
