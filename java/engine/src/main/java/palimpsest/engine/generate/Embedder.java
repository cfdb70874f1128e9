package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.model.Encoder;
import palimpsest.engine.model.EncoderActivations;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Embeddings of texts: vectors of unit length whose inner products say how alike texts are. That of
 * a text does not depend on which others are embedded with it, nor on the workers.
 */
public final class Embedder {
  private final Encoder encoder;
  private final Workers workers;
  private final int maxRows;
  private final int maxExamples;
  private final List<Part> parts = new ArrayList<>();

  private record Part(TokenGroup group, EncoderActivations activations, Tensor out) {}

  /**
   * @param workers stay the caller's to close
   * @param maxRows tokens that a worker takes at a time; at least those of the longest text
   * @param maxExamples texts that a worker takes at a time
   * @param arena holds all buffers
   */
  public Embedder(
      Encoder encoder, Workers workers, int maxRows, int maxExamples, TensorArena arena) {
    this.encoder = encoder;
    this.workers = workers;
    this.maxRows = maxRows;
    this.maxExamples = maxExamples;
    for (int i = 0; i < workers.count(); i++) {
      parts.add(
          new Part(
              new TokenGroup(maxRows, maxExamples, encoder.kernels().wide(), arena),
              new EncoderActivations(
                  encoder.config(), encoder.kernels(), maxRows, maxExamples, 0, false, arena),
              arena.allocate(encoder.kernels().wide(), maxExamples, encoder.config().width())));
    }
  }

  /**
   * Embeds.
   *
   * @param texts as tokens, each of at most {@code maxRows}
   * @return C numbers a text, in the order of the texts
   */
  public float[][] embed(List<int[]> texts) {
    float[][] embeddings = new float[texts.size()][encoder.config().width()];
    TextGroups groups = TextGroups.of(texts, maxRows, maxExamples);
    groups.run(
        workers,
        (worker, from, to) -> {
          Part part = parts.get(worker);
          groups.fill(part.group, from, to);
          encoder.embed(part.group, part.activations, part.out);
          for (int i = from; i < to; i++) {
            for (int c = 0; c < embeddings[i].length; c++) {
              embeddings[i][c] = (float) part.out.get(i - from, c);
            }
          }
        });
    return embeddings;
  }
}
