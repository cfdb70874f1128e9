package palimpsest.engine.train;

/** Gradients that can be summed without clipping too: those of a model. */
interface PublicGradients extends ExampleGradients {
  /** How many parts of the parameters {@link #accumulatePublic} adds to, one after the other. */
  int parts();

  /**
   * Takes the group through the model and back and adds its gradient to a float sum. For training
   * on public data, and the yardstick for what privacy costs.
   *
   * @param number of the group in its batch
   * @return the sum over the group's tokens of weight times loss
   */
  double accumulatePublic(OrderedSum sum, int number);
}
