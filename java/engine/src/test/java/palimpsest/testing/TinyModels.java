package palimpsest.testing;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.model.ModelConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Small random models of each family, written as model folders. */
public final class TinyModels {
  private TinyModels() {}

  /** Llama's options with grouped heads: 2 layers, width 48, 3 heads on 1, vocabulary 67. */
  public static DecoderConfig llama() {
    return llama(true);
  }

  /** The same with an output layer of its own. */
  public static DecoderConfig untied() {
    return llama(false);
  }

  private static DecoderConfig llama(boolean tied) {
    return new DecoderConfig(
        "llama",
        67,
        512,
        2,
        48,
        new DecoderConfig.AttentionOptions(
            3, 1, 16, 0.25, false, false, false, false, Collections.nCopies(2, 0)),
        new DecoderConfig.FeedForwardOptions(80, Activation.Kind.SILU_GATED, false),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.RMSNORM, 1e-5, false, false),
        DecoderConfig.PositionOptions.rope(10_000, 16),
        tied,
        false,
        1,
        OptionalInt.empty(),
        List.of(2));
  }

  /** GPT-2's options: 2 layers, width 32, 4 heads, vocabulary 67. */
  public static DecoderConfig gpt2() {
    return gpt2(67, 512, 2, 4, 128);
  }

  /**
   * GPT-2's options where kernels cut their sums over inputs into pieces: 1 layer, width 40, hidden
   * width and vocabulary 1100.
   */
  public static DecoderConfig wide() {
    return gpt2(1100, 1024, 1, 5, 1100);
  }

  /** Heads of 8. */
  private static DecoderConfig gpt2(
      int vocabulary, int context, int layers, int heads, int hidden) {
    return new DecoderConfig(
        "gpt2",
        vocabulary,
        context,
        layers,
        8 * heads,
        new DecoderConfig.AttentionOptions(
            heads,
            heads,
            8,
            1 / Math.sqrt(8),
            true,
            true,
            true,
            false,
            Collections.nCopies(layers, 0)),
        new DecoderConfig.FeedForwardOptions(hidden, Activation.Kind.GELU_TANH, true),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-5, false, false),
        DecoderConfig.PositionOptions.learned(),
        true,
        false,
        1,
        OptionalInt.empty(),
        List.of(2));
  }

  /** BERT's options: 2 layers, width 32, 4 heads, vocabulary 67. */
  public static EncoderConfig bert() {
    return bert(67, 512, 2, 4, 80);
  }

  /** BERT's options where kernels cut their sums over inputs into pieces, as {@link #wide}. */
  public static EncoderConfig wideBert() {
    return bert(1100, 1024, 1, 5, 1100);
  }

  private static EncoderConfig bert(
      int vocabulary, int context, int layers, int heads, int hidden) {
    return new EncoderConfig(
        "bert",
        vocabulary,
        context,
        2,
        layers,
        8 * heads,
        new DecoderConfig.AttentionOptions(
            heads,
            heads,
            8,
            1 / Math.sqrt(8),
            true,
            true,
            false,
            false,
            Collections.nCopies(layers, 0)),
        new DecoderConfig.FeedForwardOptions(hidden, Activation.Kind.GELU, true),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-12, false, false));
  }

  /**
   * Writes a model of the configuration with random weights into {@code folder}, which must not
   * exist.
   */
  public static ModelFolder write(DecoderConfig config, Path folder) {
    writeRandom(config, folder);
    return ModelFolder.open(folder);
  }

  /** The same for an encoder. */
  public static EncoderFolder write(EncoderConfig config, Path folder) {
    writeRandom(config, folder);
    return EncoderFolder.open(folder);
  }

  private static void writeRandom(ModelConfig config, Path folder) {
    SplittableRandom random = new SplittableRandom(7);
    try (TensorArena arena = new TensorArena()) {
      ModelFolder.write(
          folder,
          config,
          (role, layer, bias) -> {
            long[] shape = shape(config, role, bias);
            Tensor tensor = arena.allocate(DType.F32, shape);
            boolean norm = role.name().endsWith("NORM") && !bias;
            for (long i = 0; i < tensor.size(); i++) {
              tensor.set(i, (norm ? 1 : 0) + 0.15 * random.nextGaussian());
            }
            return tensor;
          },
          Optional.empty());
    }
  }

  private static long[] shape(ModelConfig config, Role role, boolean bias) {
    DecoderConfig.AttentionOptions a = config.attention();
    long width = config.width();
    long hidden = config.feedForward().width();
    long[] matrix =
        switch (role) {
          case EMBEDDING, HEAD -> new long[] {config.vocabularySize(), width};
          case POSITIONS -> new long[] {config.contextLength(), width};
          case SEGMENTS -> new long[] {((EncoderConfig) config).segments(), width};
          case QUERY_KEY_VALUE -> new long[] {a.queryWidth() + 2L * a.keyWidth(), width};
          case QUERY -> new long[] {a.queryWidth(), width};
          case KEY, VALUE -> new long[] {a.keyWidth(), width};
          case ATTENTION_OUTPUT -> new long[] {width, a.queryWidth()};
          case GATE, UP -> new long[] {hidden, width};
          case DOWN -> new long[] {width, hidden};
          default -> new long[] {width};
        };
    return bias ? new long[] {matrix[0]} : matrix;
  }
}
