package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.weights.ModelFileException;

/**
 * The options a decoder-only transformer is built from: what GPT-2, Llama, Mistral, SmolLM2, Qwen
 * and Gemma 3 differ in. Every number is range-checked on construction, and the parameter count is
 * exact, so that no configuration can ask for memory that its weight file does not back.
 *
 * @param family Hugging Face's model_type: which names the tensors have
 * @param vocabularySize rows of the embedding
 * @param contextLength positions the model was made for
 * @param layers transformer blocks
 * @param width C, the residual stream
 * @param tiedHead the output layer is the embedding
 * @param parallelResidual attention and feed-forward read the same input and add to it together
 * @param embeddingScale factor of the embedding's rows, 1 in most models
 * @param beginId first token of a document, if the vocabulary has one
 * @param endIds tokens that end a text, the model's own first
 */
public record DecoderConfig(
    String family,
    int vocabularySize,
    int contextLength,
    int layers,
    int width,
    AttentionOptions attention,
    FeedForwardOptions feedForward,
    NormOptions norm,
    PositionOptions position,
    boolean tiedHead,
    boolean parallelResidual,
    double embeddingScale,
    OptionalInt beginId,
    List<Integer> endIds)
    implements ModelConfig {

  /** How a block normalises its input. */
  public enum NormKind {
    RMSNORM,
    LAYERNORM
  }

  /** How a model knows the order of tokens. */
  public enum PositionKind {
    LEARNED,
    ROPE
  }

  /**
   * @param heads query heads
   * @param kvHeads key-value heads, a divisor of heads
   * @param headDim D, numbers a head
   * @param scale factor of the scores, usually 1 / sqrt(D)
   * @param inputBias the query, key and value layers have a bias
   * @param outputBias the output layer has a bias
   * @param fused query, key and value are one tensor in the files
   * @param qkNorm query and key are normalised per head before the rotation
   * @param windows per layer, how many keys up to itself a query sees; 0 for all
   */
  public record AttentionOptions(
      int heads,
      int kvHeads,
      int headDim,
      double scale,
      boolean inputBias,
      boolean outputBias,
      boolean fused,
      boolean qkNorm,
      List<Integer> windows) {
    public AttentionOptions {
      require(heads, 1, 1024, "attention heads");
      require(kvHeads, 1, heads, "key-value heads");
      require(headDim, 1, 1024, "head size");
      if (heads % kvHeads != 0) {
        throw new ModelFileException(
            heads + " attention heads are no multiple of " + kvHeads + " key-value heads");
      }
      requirePositive(scale, "attention scale");
      windows = List.copyOf(windows);
      windows.forEach(window -> require(window, 0, MAX_CONTEXT, "attention window"));
    }

    /** Width of all query heads together. */
    public int queryWidth() {
      return heads * headDim;
    }

    /** Width of all key heads together. */
    public int keyWidth() {
      return kvHeads * headDim;
    }

    /** How many keys a query of that layer sees, up to itself; 0 for all. */
    public int window(int layer) {
      return windows.get(layer);
    }
  }

  /**
   * @param width F, the hidden width
   * @param bias both layers have a bias
   */
  public record FeedForwardOptions(int width, Activation.Kind activation, boolean bias) {
    public FeedForwardOptions {
      require(width, 1, 1 << 20, "feed-forward width");
    }
  }

  /**
   * @param plusOne the files store w - 1: the factor is 1 + stored
   * @param post attention and feed-forward results are normalised too, before they are added
   */
  public record NormOptions(NormKind kind, double epsilon, boolean plusOne, boolean post) {
    public NormOptions {
      if (!(epsilon > 0 && epsilon <= 0.1)) {
        throw new ModelFileException("norm epsilon " + epsilon + " is not in (0, 0.1]");
      }
    }
  }

  /**
   * @param ropeBase theta of rotary positions
   * @param localRopeBase theta of the layers with a window
   * @param rotaryDims numbers of each head that are rotated, an even number; 0 for learned
   *     positions
   */
  public record PositionOptions(
      PositionKind kind, double ropeBase, double localRopeBase, int rotaryDims) {
    public PositionOptions {
      if (kind == PositionKind.ROPE) {
        requirePositive(ropeBase, "rope base");
        requirePositive(localRopeBase, "local rope base");
        require(rotaryDims, 2, 1024, "rotary size");
        if (rotaryDims % 2 != 0) {
          throw new ModelFileException("rotary size " + rotaryDims + " is odd");
        }
      }
    }

    /** Learned positions. */
    public static PositionOptions learned() {
      return new PositionOptions(PositionKind.LEARNED, 0, 0, 0);
    }

    /** Rotary positions with one base in all layers. */
    public static PositionOptions rope(double base, int rotaryDims) {
      return new PositionOptions(PositionKind.ROPE, base, base, rotaryDims);
    }
  }

  static final int MAX_VOCABULARY = 1 << 22;
  static final int MAX_CONTEXT = 1 << 24;
  static final int MAX_LAYERS = 1024;
  static final int MAX_WIDTH = 1 << 16;

  public DecoderConfig {
    require(vocabularySize, 1, MAX_VOCABULARY, "vocabulary size");
    require(contextLength, 1, MAX_CONTEXT, "context length");
    require(layers, 1, MAX_LAYERS, "layers");
    require(width, 1, MAX_WIDTH, "width");
    if (attention.windows.size() != layers) {
      throw new ModelFileException(
          attention.windows.size() + " attention windows for " + layers + " layers");
    }
    if (position.rotaryDims > attention.headDim) {
      throw new ModelFileException(
          "rotary size " + position.rotaryDims + " is over the head size " + attention.headDim);
    }
    requirePositive(embeddingScale, "embedding scale");
    endIds = List.copyOf(endIds);
    int vocabulary = vocabularySize;
    beginId.ifPresent(id -> require(id, 0, vocabulary - 1, "begin token"));
    endIds.forEach(id -> require(id, 0, vocabulary - 1, "end token"));
  }

  /**
   * Reads a Hugging Face config.json.
   *
   * @throws ModelFileException if it is missing or malformed, or describes a model that cannot be
   *     built or is no decoder
   */
  public static DecoderConfig fromJson(Path file) {
    if (ModelConfig.fromJson(file) instanceof DecoderConfig config) {
      return config;
    }
    throw new ModelFileException(
        file
            + ": this model is an encoder, which reads text and writes none; what is asked for is a"
            + " model that writes, such as smollm2-135m");
  }

  /** Theta of a layer's rotary positions. */
  public double ropeBase(int layer) {
    return attention.window(layer) > 0 ? position.localRopeBase : position.ropeBase;
  }

  /** The token that ends a text, if the model has one. */
  public OptionalInt endId() {
    return endIds.isEmpty() ? OptionalInt.empty() : OptionalInt.of(endIds.getFirst());
  }

  static void require(int value, int min, int max, String what) {
    if (value < min || value > max) {
      throw new ModelFileException(what + " " + value + " is not in " + min + " .. " + max);
    }
  }

  private static void requirePositive(double value, String what) {
    if (!(value > 0 && value < 1e12)) {
      throw new ModelFileException(what + " " + value + " is not a positive number below 1e12");
    }
  }
}
