package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/** Next-token cross-entropy over V classes, R rows, each with its own weight. */
public interface Crossentropy {
  /**
   * {@code lse = log sum exp(logits)}, {@code nll = lse - logits[target]}.
   *
   * @param logits wide [R, V]
   * @param targets I32 [R], each in [0, V)
   * @param nll wide [R]
   * @param lse wide [R], for the backward pass
   */
  void forward(Tensor logits, Tensor targets, Tensor nll, Tensor lse);

  /**
   * {@code dLogits = weight * (exp(logits - lse) - onehot(target))}.
   *
   * @param weights wide [R]: the row's weight over the sum of its example's weights
   * @param dLogits compute [R, V], contiguous; may start at the memory of logits (rows are
   *     compacted front to back)
   */
  void backward(Tensor logits, Tensor targets, Tensor weights, Tensor lse, Tensor dLogits);
}
