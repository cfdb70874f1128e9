package palimpsest.engine.train;

import palimpsest.engine.kernel.Linear;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.LabelPass;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Per-example gradients of a model of labels: those of its last layer, whatever is below. */
abstract class LabelGradients extends SmallGradients {
  private final LabelModel model;
  private final LabelPass pass;
  private final Tensor workspace;

  /**
   * @param held as many gradients as examples, or one where gradients are summed in public alone
   */
  LabelGradients(LabelModel model, int maxRows, int maxExamples, int held, TensorArena arena) {
    super(
        model.kernels(),
        model,
        new TokenGroup(maxRows, maxExamples, model.kernels().wide(), arena),
        held,
        arena);
    this.model = model;
    pass = model.pass(maxRows, maxExamples, true, arena);
    Linear linear = model.kernels().linear();
    Tensor weight = model.headWeight(model.parameters());
    long floats =
        linear.workspace(
            model.kernels().compute(), maxExamples, maxExamples, weight.rows(), weight.cols());
    workspace = arena.allocate(model.kernels().wide(), Math.max(1, floats));
  }

  @Override
  final void pass() {
    pass.gradients(group(), this);
  }

  @Override
  final double loss() {
    return pass.lastLoss(group());
  }

  @Override
  public final void head(long first, Tensor h, Tensor dLogits) {
    overVectors((flat, from, to) -> {
      Tensor dWeight = model.headWeight(flat);
      Tensor dBias = model.headBias(flat);
      dWeight.data().fill((byte) 0);
      dBias.data().fill((byte) 0);
      kernels().linear().exampleGrad(h, dLogits, from, to, dWeight, workspace);
      kernels().linear().biasExampleGrad(dLogits, from, to, dBias);
    });
  }

  /** The loss of a group by a pass forward, for tests. */
  final double lossOf(TokenGroup group) {
    return pass.loss(group);
  }

  @Override
  final void poison() {
    super.poison();
    pass.poison();
    workspace.fill(Double.NaN);
  }
}
