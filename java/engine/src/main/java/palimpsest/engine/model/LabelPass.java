package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Passes of one worker through a {@link LabelModel}, in buffers that are planned once. An example's
 * last token is its label, the target of its last row, and is not read; one without a target has no
 * loss.
 */
public abstract class LabelPass {
  private final Kernels kernels;
  private final LabelHead head;
  private final List<Tensor> all = new ArrayList<>();
  private final TensorArena arena;
  private final Tensor vectors;
  private final Tensor logits;
  private final Tensor targets;
  private final Tensor weights;
  private final Tensor nll;
  private final Tensor lse;
  private final Tensor dLogits;
  private final Tensor dVectors;

  LabelPass(Kernels kernels, LabelHead head, int maxExamples, TensorArena arena) {
    this.kernels = kernels;
    this.head = head;
    this.arena = arena;
    vectors = make(kernels.compute(), maxExamples, head.inputs());
    logits = make(kernels.wide(), maxExamples, head.labels());
    targets = arena.allocate(DType.I32, maxExamples);
    weights = make(kernels.wide(), maxExamples);
    nll = make(kernels.wide(), maxExamples);
    lse = make(kernels.wide(), maxExamples);
    dLogits = make(kernels.compute(), maxExamples, head.labels());
    dVectors = make(kernels.wide(), maxExamples, head.inputs());
  }

  /** A buffer that {@link #poison} fills. */
  final Tensor make(DType type, long... shape) {
    Tensor tensor = arena.allocate(type, shape);
    all.add(tensor);
    return tensor;
  }

  /** Takes the group forward to its texts' vectors, wide [E, K]. */
  abstract Tensor forward(TokenGroup group);

  /**
   * Takes the group back, after {@link #forward}.
   *
   * @param dVectors wide [E, K]: gradients of the texts' vectors
   */
  abstract void backward(TokenGroup group, Tensor dVectors, ParameterGradients gradients);

  /** Logits of the group's texts, wide [E, L]: a view that the next call overwrites. */
  public final Tensor logits(TokenGroup group) {
    int examples = group.examples();
    Tensor rounded = vectors.rows(0, examples);
    Tensor result = logits.rows(0, examples);
    kernels.linear().round(forward(group), rounded);
    kernels.linear().forward(rounded, head.packed(), null, null, result, false);
    return result;
  }

  /**
   * The gradients of the sum over the group of weight times loss, the cross-entropy of the label.
   *
   * @param gradients receives what each parameter's gradient follows from; the rows of the last
   *     layer are examples
   */
  public final void gradients(TokenGroup group, ParameterGradients gradients) {
    int examples = group.examples();
    Tensor scores = losses(group);
    Tensor dScores = dLogits.rows(0, examples);
    kernels
        .crossentropy()
        .backward(
            scores,
            targets.part(0, examples),
            weights.part(0, examples),
            lse.part(0, examples),
            dScores);
    gradients.head(0, vectors.rows(0, examples), dScores);
    Tensor dx = dVectors.rows(0, examples);
    kernels.linear().backward(dScores, head.packed(), null, null, dx, false);
    backward(group, dx, gradients);
  }

  /** Takes the group forward to its losses; returns its logits. */
  private Tensor losses(TokenGroup group) {
    int examples = group.examples();
    Tensor scores = logits(group);
    for (int e = 0; e < examples; e++) {
      int last = group.headStart(e + 1) - 1;
      boolean labelled = last >= group.headStart(e);
      targets.set(e, labelled ? group.headTargets(last, 1).get(0) : 0);
      weights.set(e, labelled ? group.headWeights(last, 1).get(0) : 0);
    }
    kernels
        .crossentropy()
        .forward(scores, targets.part(0, examples), nll.part(0, examples), lse.part(0, examples));
    return scores;
  }

  /**
   * Sum of weight times loss over the group, by a pass of its own. A private figure where the texts
   * are private.
   */
  public final double loss(TokenGroup group) {
    losses(group);
    return lastLoss(group);
  }

  /** The same for the group of the last {@link #gradients}. */
  public final double lastLoss(TokenGroup group) {
    double sum = 0;
    for (int e = 0; e < group.examples(); e++) {
      // An example without a label has a weight of 0 and a loss that may be anything.
      sum += weights.get(e) == 0 ? 0 : weights.get(e) * nll.get(e);
    }
    return sum;
  }

  /** Fills every buffer with NaN: a pass must not notice. */
  public void poison() {
    all.forEach(tensor -> tensor.fill(Double.NaN));
  }
}
