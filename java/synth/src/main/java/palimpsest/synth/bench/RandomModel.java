package palimpsest.synth.bench;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.model.ModelConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Models of a real shape with random weights: speed depends on shapes, not on values, so a
 * benchmark can use a model whose weights are not here.
 */
public final class RandomModel {
  private static final double DEVIATION = 0.02;

  private RandomModel() {}

  /** The shape of {@code random-gpt2-124m} or {@code random-smollm2-135m}. */
  public static Optional<DecoderConfig> named(String name) {
    return switch (name) {
      case "random-gpt2-124m" -> Optional.of(gpt2());
      case "random-smollm2-135m" -> Optional.of(smollm2());
      default -> Optional.empty();
    };
  }

  /** GPT-2 124M (Radford et al. 2019). */
  public static DecoderConfig gpt2() {
    return new DecoderConfig(
        "gpt2",
        50_257,
        1024,
        12,
        768,
        new DecoderConfig.AttentionOptions(
            12, 12, 64, 0.125, true, true, true, false, Collections.nCopies(12, 0)),
        new DecoderConfig.FeedForwardOptions(3072, Activation.Kind.GELU_TANH, true),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-5, false, false),
        DecoderConfig.PositionOptions.learned(),
        true,
        false,
        1,
        OptionalInt.empty(),
        List.of(50_256));
  }

  /** SmolLM2 135M (Allal et al. 2025). */
  public static DecoderConfig smollm2() {
    return new DecoderConfig(
        "llama",
        49_152,
        8192,
        30,
        576,
        new DecoderConfig.AttentionOptions(
            9, 3, 64, 0.125, false, false, false, false, Collections.nCopies(30, 0)),
        new DecoderConfig.FeedForwardOptions(1536, Activation.Kind.SILU_GATED, false),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.RMSNORM, 1e-5, false, false),
        DecoderConfig.PositionOptions.rope(100_000, 64),
        true,
        false,
        1,
        OptionalInt.empty(),
        List.of(2));
  }

  /**
   * Writes a model folder whose matrices are N(0, 0.02^2), GPT-2's own start. All tensors are the
   * beginning of one sequence of numbers, so that memory stays small.
   *
   * @param folder must not exist
   */
  public static void write(ModelConfig config, Path folder, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (TensorArena arena = new TensorArena()) {
      long most = 1;
      for (Role role : Role.values()) {
        long[] shape = shape(config, role);
        most = Math.max(most, shape.length == 1 ? shape[0] : shape[0] * shape[1]);
      }
      Tensor matrix = arena.allocate(DType.F32, most);
      Tensor ones = arena.allocate(DType.F32, most);
      fill(matrix.data(), most, random);
      ones.fill(1);
      ModelFolder.write(
          folder,
          config,
          (role, layer, bias) -> {
            long[] shape = shape(config, role);
            Tensor source = role.name().endsWith("NORM") && !bias ? ones : matrix;
            return Tensor.of(source.data(), DType.F32, bias ? new long[] {shape[0]} : shape);
          },
          Optional.empty());
    }
  }

  private static void fill(MemorySegment to, long count, SplittableRandom random) {
    for (long i = 0; i < count; i++) {
      to.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (DEVIATION * random.nextGaussian()));
    }
  }

  private static long[] shape(ModelConfig config, Role role) {
    DecoderConfig.AttentionOptions attention = config.attention();
    long width = config.width();
    long hidden = config.feedForward().width();
    return switch (role) {
      case EMBEDDING, HEAD -> new long[] {config.vocabularySize(), width};
      case POSITIONS -> new long[] {config.contextLength(), width};
      case SEGMENTS ->
          new long[] {config instanceof EncoderConfig encoder ? encoder.segments() : 1, width};
      case QUERY_KEY_VALUE ->
          new long[] {attention.queryWidth() + 2L * attention.keyWidth(), width};
      case QUERY -> new long[] {attention.queryWidth(), width};
      case KEY, VALUE -> new long[] {attention.keyWidth(), width};
      case ATTENTION_OUTPUT -> new long[] {width, attention.queryWidth()};
      case GATE, UP -> new long[] {hidden, width};
      case DOWN -> new long[] {width, hidden};
      case QUERY_NORM, KEY_NORM -> new long[] {attention.headDim()};
      default -> new long[] {width};
    };
  }
}
