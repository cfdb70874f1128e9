package palimpsest.engine.train;

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
 * Per-example gradients of a low-rank adapter. They are small, so each is materialised: [examples
 * of the group, P].
 */
public final class LoraGradients implements ExampleGradients, ParameterGradients {
  private final Decoder decoder;
  private final Adapter adapter;
  private final Kernels kernels;
  private final TokenGroup group;
  private final Activations activations;
  private final Tensor gradients;

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
    gradients = arena.allocate(kernels.wide(), maxExamples, adapter.size());
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

  /** Computes the gradients of all examples of the group. */
  void compute() {
    decoder.forward(group, adapter, activations);
    decoder.backward(group, adapter, activations, this);
  }

  /** The gradient of an example of the group after {@link #compute}, wide [P]. */
  Tensor gradient(int example) {
    return gradients.rows(example, 1).reshape(adapter.size());
  }

  /** The buffers of the pass, for tests. */
  Activations activations() {
    return activations;
  }

  /** The gradient buffer, for tests. */
  Tensor gradients() {
    return gradients;
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    Adapter.Site site = adapter.site(role, layer);
    if (site == null) {
      return;
    }
    for (int e = 0; e < group.examples(); e++) {
      Tensor flat = gradient(e);
      kernels
          .lora()
          .exampleGrad(
              x,
              u,
              dy,
              du,
              group.rowStart(e),
              group.rowStart(e + 1),
              adapter.a(flat, site),
              adapter.b(flat, site));
    }
  }
}
