package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/** Parameter updates from the noisy integer sum, or from a float sum of public gradients. */
public interface Optimizer {
  /**
   * AdamW (Loshchilov and Hutter 2019).
   *
   * @param learningRate step size of this step
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param epsilon added to the root of the second moment
   * @param weightDecay decoupled decay a unit of learning rate
   */
  record AdamW(
      double learningRate, double beta1, double beta2, double epsilon, double weightDecay) {}

  /**
   * With g = gradScale * sums: updates the moments, corrects their bias for {@code step} (from 1)
   * and moves the parameters.
   *
   * @param sums I64, I32 or wide [P]
   * @param gradScale gradient a grid step: C / (2^bits * expected batch)
   * @param parameters wide [P], updated
   * @param firstMoment wide [P], updated
   * @param secondMoment wide [P], updated
   */
  void update(
      Tensor sums,
      double gradScale,
      AdamW settings,
      long step,
      Tensor parameters,
      Tensor firstMoment,
      Tensor secondMoment);
}
