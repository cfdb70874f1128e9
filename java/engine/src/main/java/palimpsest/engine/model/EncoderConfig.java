package palimpsest.engine.model;

import java.nio.file.Path;
import palimpsest.engine.weights.ModelFileException;

/**
 * The options of an encoder of the BERT family (Devlin et al. 2019): learned positions, attention
 * over all tokens, a layer norm after each sum. Every number is range-checked on construction.
 *
 * @param family Hugging Face's model_type
 * @param vocabularySize rows of the embedding
 * @param contextLength positions the model was made for
 * @param segments rows of the table of segments (token types), of which a text alone is the first
 * @param layers transformer blocks
 * @param width C, the residual stream
 */
public record EncoderConfig(
    String family,
    int vocabularySize,
    int contextLength,
    int segments,
    int layers,
    int width,
    DecoderConfig.AttentionOptions attention,
    DecoderConfig.FeedForwardOptions feedForward,
    DecoderConfig.NormOptions norm)
    implements ModelConfig {
  private static final int MAX_SEGMENTS = 1024;

  public EncoderConfig {
    DecoderConfig.require(vocabularySize, 1, DecoderConfig.MAX_VOCABULARY, "vocabulary size");
    DecoderConfig.require(contextLength, 1, DecoderConfig.MAX_CONTEXT, "context length");
    DecoderConfig.require(segments, 1, MAX_SEGMENTS, "token types");
    DecoderConfig.require(layers, 1, DecoderConfig.MAX_LAYERS, "layers");
    DecoderConfig.require(width, 1, DecoderConfig.MAX_WIDTH, "width");
    if (attention.kvHeads() != attention.heads()
        || attention.windows().stream().anyMatch(window -> window != 0)
        || norm.kind() != DecoderConfig.NormKind.LAYERNORM) {
      throw new ModelFileException("an encoder has plain attention heads and layer norms");
    }
  }

  /**
   * Reads a Hugging Face config.json.
   *
   * @throws ModelFileException if it is missing or malformed, or describes no encoder
   */
  public static EncoderConfig fromJson(Path file) {
    if (ModelConfig.fromJson(file) instanceof EncoderConfig config) {
      return config;
    }
    throw new ModelFileException(
        file + ": this model writes text; what is asked for is an encoder, such as minilm");
  }
}
