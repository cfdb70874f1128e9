package palimpsest.synth;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The shape of a Llama model that is to be trained from the beginning. Heads are 64 wide, or as
 * wide as the model where that is less; the output layer is tied.
 *
 * @param width C, a multiple of the head width
 * @param contextLength the longest text that the model will ever read
 */
public record ModelShape(int layers, int width, int contextLength) {
  private static final int HEAD = 64;

  /** Deviation of the first weights (Radford et al. 2019). */
  private static final double DEVIATION = 0.02;

  /** Checks every part. */
  public ModelShape {
    if (layers < 1 || layers > 1000 || contextLength < 2) {
      throw new IllegalArgumentException(
          "a model needs 1 to 1000 layers and a context of 2 tokens or more");
    }
    if (width < 8 || width > 1 << 16 || width % 8 != 0 || width > HEAD && width % HEAD != 0) {
      throw new IllegalArgumentException(
          "the width must be a multiple of 64, or below that of 8, not " + width);
    }
  }

  /**
   * The configuration.
   *
   * @param vocabularySize of its tokenizer
   * @param endToken ends a text, and begins one
   */
  public DecoderConfig config(int vocabularySize, int endToken) {
    int head = Math.min(HEAD, width);
    int heads = width / head;
    // 8/3 of the width, as Llama has it, in whole vectors.
    int hidden = (8 * width / 3 + 31) / 32 * 32;
    return new DecoderConfig(
        "llama",
        vocabularySize,
        contextLength,
        layers,
        width,
        new DecoderConfig.AttentionOptions(
            heads,
            heads,
            head,
            1 / Math.sqrt(head),
            false,
            false,
            false,
            false,
            Collections.nCopies(layers, 0)),
        new DecoderConfig.FeedForwardOptions(hidden, Activation.Kind.SILU_GATED, false),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.RMSNORM, 1e-5, false, false),
        DecoderConfig.PositionOptions.rope(10_000, head),
        true,
        false,
        1,
        OptionalInt.of(endToken),
        List.of(endToken));
  }

  /**
   * Writes a model whose weights are N(0, 0.02^2), those of what is added to the residual stream
   * smaller by the root of twice the number of layers (Radford et al. 2019); norms are 1.
   *
   * @param folder must not exist yet
   * @param tokenizer a tokenizer.json
   * @param seed the same seed gives the same weights
   */
  public static void writeBeginning(DecoderConfig config, Path folder, Path tokenizer, long seed) {
    SplitMix64 random = new SplitMix64(seed);
    try (TensorArena arena = new TensorArena()) {
      ModelFolder.write(
          folder,
          config,
          (role, layer, bias) -> beginning(config, role, random, arena),
          Optional.of(tokenizer));
    }
  }

  private static Tensor beginning(
      DecoderConfig config, Role role, SplitMix64 random, TensorArena arena) {
    long width = config.width();
    long queries = config.attention().queryWidth();
    long hidden = config.feedForward().width();
    long[] shape =
        switch (role) {
          case EMBEDDING -> new long[] {config.vocabularySize(), width};
          case QUERY -> new long[] {queries, width};
          case KEY, VALUE -> new long[] {config.attention().keyWidth(), width};
          case ATTENTION_OUTPUT -> new long[] {width, queries};
          case GATE, UP -> new long[] {hidden, width};
          case DOWN -> new long[] {width, hidden};
          default -> new long[] {width};
        };
    Tensor tensor = arena.allocate(DType.F32, shape);
    if (shape.length == 1) {
      return tensor.fill(1);
    }
    boolean added = role == Role.ATTENTION_OUTPUT || role == Role.DOWN;
    double deviation = added ? DEVIATION / Math.sqrt(2.0 * config.layers()) : DEVIATION;
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, deviation * gaussian(random));
    }
    return tensor;
  }

  /** Box and Muller 1958, with functions that are the same on every platform. */
  private static double gaussian(SplitMix64 random) {
    double u = ((random.nextLong() >>> 11) + 1) * 0x1p-53;
    double v = (random.nextLong() >>> 11) * 0x1p-53;
    return Math.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(2 * Math.PI * v);
  }
}
