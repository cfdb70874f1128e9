package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.FlatParameters;
import palimpsest.engine.model.ParameterGradients;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of few parameters. Each is materialised: P numbers an example, in memory
 * that is taken for as many as a group can hold before any is seen: whether there is enough must
 * not depend on which records are drawn. A method says what an example's rows contribute; all of an
 * example's gradient goes through one sum.
 */
abstract class SmallGradients implements PublicGradients, ParameterGradients {
  /** What some rows contribute to a gradient. */
  @FunctionalInterface
  interface Part {
    /**
     * @param gradient wide [P]; the part of it that the caller speaks of is to be overwritten
     * @param from first row of the group
     * @param to behind the last
     */
    void set(Tensor gradient, int from, int to);
  }

  private final Kernels kernels;
  private final FlatParameters tuned;
  private final TokenGroup group;
  private final List<Tensor> gradients = new ArrayList<>();

  /** The whole group counts as one example. */
  private boolean together;

  /**
   * @param held gradients that there is memory for: as many as the group's examples, or one where
   *     gradients are summed in public alone
   */
  SmallGradients(
      Kernels kernels, FlatParameters tuned, TokenGroup group, int held, TensorArena arena) {
    this.kernels = kernels;
    this.tuned = tuned;
    this.group = group;
    for (int e = 0; e < held; e++) {
      gradients.add(arena.allocate(kernels.wide(), tuned.size()));
    }
  }

  final Kernels kernels() {
    return kernels;
  }

  @Override
  public final TokenGroup group() {
    return group;
  }

  @Override
  public final long size() {
    return tuned.size();
  }

  @Override
  public final void accumulate(ClippedSum sum) {
    VectorSum vectors = VectorSum.of(sum);
    compute();
    for (int e = 0; e < group.examples(); e++) {
      vectors.add(gradient(e));
    }
  }

  @Override
  public final int parts() {
    return 1;
  }

  @Override
  public final double accumulatePublic(OrderedSum sum, int number) {
    together = true;
    try {
      compute();
    } finally {
      together = false;
    }
    sum.add(0, number, total -> FloatSum.add(gradient(0), total));
    return loss();
  }

  /** Computes the gradients of all examples of the group. */
  final void compute() {
    if (!together && gradients.size() < group.examples()) {
      throw new IllegalStateException("these gradients are for sums in public alone");
    }
    pass();
  }

  /** Takes the group through the model and back, which hands out what gradients follow from. */
  abstract void pass();

  /** Sum of weight times loss over the group of the last pass. */
  abstract double loss();

  /** Sets a part of each example's gradient from the example's own rows. */
  final void overExamples(Part part) {
    int count = together ? 1 : group.examples();
    for (int e = 0; e < count; e++) {
      int to = together ? group.rows() : group.rowStart(e + 1);
      part.set(gradient(e), group.rowStart(e), to);
    }
  }

  /** The same where an example has one row. */
  final void overVectors(Part part) {
    int count = together ? 1 : group.examples();
    for (int e = 0; e < count; e++) {
      part.set(gradient(e), e, together ? group.examples() : e + 1);
    }
  }

  /** The gradient of an example of the group after {@link #compute}, wide [P]. */
  final Tensor gradient(int example) {
    return gradients.get(example);
  }

  /** Fills all buffers with NaN, for tests: what a pass does not write must not be read. */
  void poison() {
    gradients.forEach(gradient -> gradient.fill(Double.NaN));
  }
}
