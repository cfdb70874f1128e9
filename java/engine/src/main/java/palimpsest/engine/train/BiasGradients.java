package palimpsest.engine.train;

import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Per-example gradients of bias vectors: sums of output gradients over the example's rows. */
final class BiasGradients extends DecoderGradients {
  private final BiasVectors biases;

  BiasGradients(
      Decoder decoder,
      BiasVectors biases,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    super(decoder, biases, maxRows, maxExamples, recompute, arena);
    this.biases = biases;
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    BiasVectors.Site site = biases.site(role, layer);
    if (site == null) {
      return;
    }
    overExamples((flat, from, to) -> {
      Tensor gradient = biases.bias(flat, site);
      gradient.data().fill((byte) 0);
      kernels().linear().biasExampleGrad(dy, from, to, gradient);
    });
  }
}
