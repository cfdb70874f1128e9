package palimpsest.engine.model;

import java.nio.file.Path;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.weights.ModelFileException;

/** The options that any transformer is built from, whichever way it reads. */
public sealed interface ModelConfig permits DecoderConfig, EncoderConfig {
  /** Hugging Face's model_type: which names the tensors have. */
  String family();

  /** Rows of the embedding. */
  int vocabularySize();

  /** Positions the model was made for. */
  int contextLength();

  /** Transformer blocks. */
  int layers();

  /** C, the residual stream. */
  int width();

  DecoderConfig.AttentionOptions attention();

  DecoderConfig.FeedForwardOptions feedForward();

  DecoderConfig.NormOptions norm();

  /** How many numbers the model's tensors hold together, each counted once. */
  default long parameterCount() {
    return TensorNames.of(this).slots().stream().mapToLong(TensorNames.Slot::size).sum();
  }

  /**
   * Writes a Hugging Face config.json, from which {@link #fromJson} reads an equal one.
   *
   * @param type of the weights that go with it
   */
  default void toJson(Path file, DType type) {
    ConfigWriter.write(this, type, file);
  }

  /**
   * Reads a Hugging Face config.json.
   *
   * @throws ModelFileException if it is missing or malformed, or describes a model that cannot be
   *     built
   */
  static ModelConfig fromJson(Path file) {
    return ConfigReader.read(file);
  }
}
