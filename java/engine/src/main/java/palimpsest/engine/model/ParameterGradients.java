package palimpsest.engine.model;

import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.Tensor;

/**
 * What a backward pass hands out at each place that has parameters: the inputs and output gradients
 * from which an example's gradient follows. The tensors hold all rows of the group and are only
 * valid during the call; where the activations are for {@linkplain Activations.Purpose#BOOK_KEEPING
 * book-keeping}, those of linear layers, the output layer and the embedding stay as they are until
 * the next pass. Which places are trained is the receiver's choice.
 */
public interface ParameterGradients {
  /**
   * A linear layer.
   *
   * @param x compute [N, in]
   * @param dy compute [N, out]
   * @param u compute [N, r] of its adapter, or null
   * @param du compute [N, r] of its adapter, or null
   */
  default void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {}

  /**
   * A norm inside a block.
   *
   * @param dy wide [N, C]
   * @param x wide [N, C]
   * @param mean wide [N], null for an RMS norm
   * @param rstd wide [N]
   */
  default void norm(Role role, int layer, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {}

  /**
   * Some weighted rows of the final norm, in order.
   *
   * @param first index of the first among the group's weighted rows
   * @param dy wide [R, C]
   * @param x wide [R, C]
   * @param mean wide [R], null for an RMS norm
   * @param rstd wide [R]
   */
  default void headNorm(long first, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {}

  /**
   * Some weighted rows of the output layer, in order.
   *
   * @param first index of the first among the group's weighted rows
   * @param h compute [R, C], the layer's input
   * @param dLogits compute [R, V]
   */
  default void head(long first, Tensor h, Tensor dLogits) {}

  /**
   * All weighted rows of the output layer at once, where they stay as they are until the next pass.
   *
   * @param h compute [R, C]
   * @param dLogits compute [R, V]
   */
  default void outputLayer(Tensor h, Tensor dLogits) {}

  /**
   * Some filters of one width over the words of texts.
   *
   * @param index of the width
   * @param x wide [N, D], the words
   * @param at I32 [E, F]: the window that each filter's maximum is of
   * @param dOut wide [E, F]
   */
  default void convolution(int index, Tensor x, Spans spans, Tensor at, Tensor dOut) {}

  /** The embedding: dx is wide [N, C], the gradient at its output. */
  default void embedding(Tensor dx) {}

  /**
   * {@link Role#height} of the lowest place at which anything is wanted: the pass ends there. By
   * default that of the first block's query, key and value.
   */
  default int lowest() {
    return Role.QUERY.height(0);
  }
}
