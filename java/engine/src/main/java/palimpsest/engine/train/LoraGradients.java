package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.ParameterGradients;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of a low-rank adapter. They are small, so each is materialised: P numbers
 * an example, in memory that is taken for as many as a group can hold before any is seen: whether
 * there is enough must not depend on which records are drawn.
 */
public final class LoraGradients implements ExampleGradients, ParameterGradients {
  private final Decoder decoder;
  private final Adapter adapter;
  private final Kernels kernels;
  private final TokenGroup group;
  private final Activations activations;
  private final List<Tensor> gradients = new ArrayList<>();

  /** The whole group counts as one example. */
  private boolean together;

  /**
   * @param maxRows the most rows of a group
   * @param maxExamples the most examples of a group
   * @param arena holds all buffers
   */
  public LoraGradients(
      Decoder decoder, Adapter adapter, int maxRows, int maxExamples, TensorArena arena) {
    this.decoder = decoder;
    this.adapter = adapter;
    kernels = decoder.kernels();
    group = new TokenGroup(maxRows, maxExamples, kernels.wide(), arena);
    activations =
        new Activations(decoder.config(), kernels, maxRows, maxRows, adapter.rank(), true, arena);
    for (int e = 0; e < maxExamples; e++) {
      gradients.add(arena.allocate(kernels.wide(), adapter.size()));
    }
  }

  @Override
  public TokenGroup group() {
    return group;
  }

  @Override
  public long size() {
    return adapter.size();
  }

  @Override
  public void accumulate(ClippedSum sum) {
    compute();
    for (int e = 0; e < group.examples(); e++) {
      sum.add(gradient(e));
    }
  }

  @Override
  public void accumulatePublic(Tensor sum) {
    if (sum.size() != size() || sum.type() != kernels.wide()) {
      throw new IllegalArgumentException(
          "the sum must be " + kernels.wide() + "[" + size() + "], not " + sum);
    }
    together = true;
    try {
      compute();
    } finally {
      together = false;
    }
    FloatSum.add(gradient(0), sum);
  }

  /** Computes the gradients of all examples of the group. */
  void compute() {
    decoder.forward(group, adapter, activations);
    decoder.backward(group, adapter, activations, this);
  }

  /** The gradient of an example of the group after {@link #compute}, wide [P]. */
  Tensor gradient(int example) {
    return gradients.get(example);
  }

  /** The buffers of the pass, for tests. */
  Activations activations() {
    return activations;
  }

  /** Fills all buffers with NaN, for tests: what a pass does not write must not be read. */
  void poison() {
    activations.poison();
    for (int e = 0; e < group.maxExamples(); e++) {
      gradient(e).fill(Double.NaN);
    }
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    Adapter.Site site = adapter.site(role, layer);
    if (site == null) {
      return;
    }
    int count = together ? 1 : group.examples();
    for (int e = 0; e < count; e++) {
      Tensor flat = gradient(e);
      long to = together ? group.rows() : group.rowStart(e + 1);
      kernels
          .lora()
          .exampleGrad(
              x, u, dy, du, group.rowStart(e), to, adapter.a(flat, site), adapter.b(flat, site));
    }
  }
}
