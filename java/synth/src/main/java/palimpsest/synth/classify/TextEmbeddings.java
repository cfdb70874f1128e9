package palimpsest.synth.classify;

import java.nio.file.Path;
import java.util.List;
import palimpsest.engine.generate.Embedder;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Encoder;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.Synthesis;
import palimpsest.synth.text.WordPiece;

/** Embeddings of texts by a pretrained encoder. Those of private texts are private. */
public final class TextEmbeddings {
  private TextEmbeddings() {}

  /**
   * Embeds.
   *
   * @param encoder its folder
   * @param maxTokens of a text, that are read
   * @return a vector of unit length for each text
   * @throws palimpsest.synth.text.InputException if the encoder cannot be used
   */
  public static float[][] of(
      Path encoder, List<String> texts, int maxTokens, ExecutionSpec execution) {
    ExecutionSpec settled = execution.forLength(maxTokens);
    try (EncoderFolder folder = EncoderFolder.open(encoder);
        Kernels kernels = Synthesis.kernels(settled);
        Encoder model = new Encoder(folder, kernels, false, maxTokens);
        Workers workers = new Workers(settled.workers(), "palimpsest-embedding");
        TensorArena arena = new TensorArena()) {
      WordPiece pieces = WordPiece.of(folder);
      Embedder embedder =
          new Embedder(model, workers, settled.groupRows(), settled.groupExamples(), arena);
      return embedder.embed(texts.stream().map(text -> pieces.encode(text, maxTokens)).toList());
    }
  }
}
