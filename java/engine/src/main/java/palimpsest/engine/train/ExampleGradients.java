package palimpsest.engine.train;

import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;

/**
 * Per-example gradients of one way of tuning (adapters, all weights, a prompt), for one worker:
 * whole examples in, clipped integers out.
 */
public interface ExampleGradients {
  /** The group to fill with examples before {@link #accumulate}. */
  TokenGroup group();

  /** P, the number of trained parameters. */
  long size();

  /**
   * Takes the group through the model and back and adds each example's clipped gradient to the sum.
   */
  void accumulate(ClippedSum sum);

  /**
   * The same without clipping: adds the group's whole gradient to a float sum. For training on
   * public data, and the yardstick for what privacy costs.
   *
   * @param sum wide [P]
   */
  void accumulatePublic(Tensor sum);
}
