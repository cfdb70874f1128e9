package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ParameterGradients;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
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

  private final Decoder decoder;
  private final Trainable tuned;
  private final TokenGroup group;
  private final Activations activations;
  private final List<Tensor> gradients = new ArrayList<>();

  /** The whole group counts as one example. */
  private boolean together;

  SmallGradients(
      Decoder decoder,
      Trainable tuned,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    this.decoder = decoder;
    this.tuned = tuned;
    Kernels kernels = decoder.kernels();
    group = new TokenGroup(maxRows, maxExamples, tuned.prompt(), kernels.wide(), arena);
    activations =
        new Activations(
            decoder.config(), kernels, maxRows, maxRows, tuned.rank(), purpose(recompute), arena);
    for (int e = 0; e < maxExamples; e++) {
      gradients.add(arena.allocate(kernels.wide(), tuned.size()));
    }
  }

  /** Bytes of one worker's buffers, but for some indices. */
  static long bytes(
      DecoderConfig config,
      Kernels kernels,
      TuningMethod method,
      int maxRows,
      int maxExamples,
      boolean recompute) {
    try (TensorArena arena = TensorArena.counting()) {
      new Activations(config, kernels, maxRows, maxRows, method.rank(), purpose(recompute), arena);
      return arena.bytes() + maxExamples * kernels.wide().bytes() * method.parameterCount(config);
    }
  }

  private static Activations.Purpose purpose(boolean recompute) {
    return recompute ? Activations.Purpose.RECOMPUTE : Activations.Purpose.BACKWARD;
  }

  final Kernels kernels() {
    return decoder.kernels();
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
    return activations.loss(group);
  }

  /** Computes the gradients of all examples of the group. */
  final void compute() {
    decoder.forward(group, tuned, activations);
    decoder.backward(group, tuned, activations, this);
  }

  /** Sets a part of each example's gradient from the example's own rows. */
  final void overExamples(Part part) {
    int count = together ? 1 : group.examples();
    for (int e = 0; e < count; e++) {
      int to = together ? group.rows() : group.rowStart(e + 1);
      part.set(gradient(e), group.rowStart(e), to);
    }
  }

  /** The gradient of an example of the group after {@link #compute}, wide [P]. */
  final Tensor gradient(int example) {
    return gradients.get(example);
  }

  /** The buffers of the pass, for tests. */
  final Activations activations() {
    return activations;
  }

  /** Fills all buffers with NaN, for tests: what a pass does not write must not be read. */
  final void poison() {
    activations.poison();
    gradients.forEach(gradient -> gradient.fill(Double.NaN));
  }
}
