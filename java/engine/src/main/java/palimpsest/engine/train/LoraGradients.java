package palimpsest.engine.train;

import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Per-example gradients of low-rank adapters. */
final class LoraGradients extends DecoderGradients {
  private final Adapter adapter;

  LoraGradients(
      Decoder decoder,
      Adapter adapter,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    super(decoder, adapter, maxRows, maxExamples, recompute, arena);
    this.adapter = adapter;
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    Adapter.Site site = adapter.site(role, layer);
    if (site == null) {
      return;
    }
    overExamples((flat, from, to) ->
        kernels()
            .lora()
            .exampleGrad(x, u, dy, du, from, to, adapter.a(flat, site), adapter.b(flat, site)));
  }
}
