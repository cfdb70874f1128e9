package palimpsest.engine.train;

import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of a soft prompt: those of the rows that its virtual tokens take in front
 * of the example.
 */
final class PromptGradients extends DecoderGradients {
  private final SoftPrompt prompt;

  PromptGradients(
      Decoder decoder,
      SoftPrompt prompt,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    super(decoder, prompt, maxRows, maxExamples, recompute, arena);
    this.prompt = prompt;
  }

  @Override
  public int lowest() {
    return Role.EMBEDDING.height(0);
  }

  @Override
  public void embedding(Tensor dx) {
    Tensor ids = group().ids();
    overExamples((flat, from, to) -> prompt.exampleGrad(ids, dx, from, to, flat));
  }
}
