package palimpsest.engine.generate;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Sample;
import palimpsest.engine.tensor.Tensor;

/** Draws tokens from logits by the provider's kernel. */
final class TokenSampler {
  private final Sample sample;
  private final Sample.Settings settings;

  TokenSampler(GenerationSettings settings, Kernels kernels) {
    sample = kernels.sample();
    this.settings =
        new Sample.Settings(
            settings.temperature(), settings.topK(), settings.topP(), settings.guidance());
  }

  /**
   * @param logits wide [N, V], after the texts' own prefixes
   * @param generic wide [N, V], after the generic prefixes; null without guidance
   * @param draws F64 [N] or longer, in [0, 1)
   * @param tokens I32 [N] or longer, written
   */
  void draw(Tensor logits, Tensor generic, Tensor draws, Tensor tokens) {
    int rows = (int) logits.rows();
    double[] uniforms = new double[rows];
    int[] drawn = new int[rows];
    for (int row = 0; row < rows; row++) {
      uniforms[row] = draws.get(row);
    }
    sample.forward(logits, generic, settings, uniforms, drawn);
    for (int row = 0; row < rows; row++) {
      tokens.set(row, drawn[row]);
    }
  }
}
