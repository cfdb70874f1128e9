package palimpsest.engine.train;

import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.EncoderClassifier;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Per-example gradients of an encoder's adapters and of the layer above it. */
final class EncoderGradients extends LabelGradients {
  private final EncoderClassifier model;

  EncoderGradients(
      EncoderClassifier model, int maxRows, int maxExamples, int held, TensorArena arena) {
    super(model, maxRows, maxExamples, held, arena);
    this.model = model;
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    Adapter.Site site = model.site(role, layer);
    overExamples((flat, from, to) ->
        kernels()
            .lora()
            .exampleGrad(x, u, dy, du, from, to, model.a(flat, site), model.b(flat, site)));
  }
}
