package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.Optional;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.ModelFileException;

/**
 * A pretrained encoder on disk, in Hugging Face's layout: config.json, safetensors, tokenizer.json.
 * Opened, it has been checked in full, as a {@link ModelFolder} has.
 */
public final class EncoderFolder implements AutoCloseable {
  private final EncoderConfig config;
  private final CheckedWeights weights;

  private EncoderFolder(EncoderConfig config, CheckedWeights weights) {
    this.config = config;
    this.weights = weights;
  }

  /**
   * Opens and checks an encoder.
   *
   * @throws ModelFileException if a file is missing or malformed, the model is no encoder, or the
   *     weights are not those that the configuration describes
   */
  public static EncoderFolder open(Path path) {
    EncoderConfig config = EncoderConfig.fromJson(CheckedWeights.configOf(path));
    return new EncoderFolder(config, CheckedWeights.open(path, config));
  }

  public Path path() {
    return weights.path();
  }

  public EncoderConfig config() {
    return config;
  }

  /** The tokenizer.json, if the folder has one. */
  public Optional<Path> tokenizer() {
    return weights.tokenizer();
  }

  /** SHA-256 of the weights, as {@link ModelFolder#digest}. */
  public String digest() {
    return weights.digest();
  }

  /**
   * A tensor as it is stored, without a copy; linear layers as [out, in].
   *
   * @param layer 0 for tensors of the whole model
   */
  public Tensor weight(Role role, int layer) {
    return weights.weight(role, layer);
  }

  /** The bias of a role, if it has one. */
  public Optional<Tensor> bias(Role role, int layer) {
    return weights.find(role, layer, true);
  }

  /** Lets go of the weights; all else can still be asked for. */
  @Override
  public void close() {
    weights.close();
  }
}
