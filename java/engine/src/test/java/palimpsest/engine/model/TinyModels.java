package palimpsest.engine.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig.AttentionOptions;
import palimpsest.engine.model.DecoderConfig.FeedForwardOptions;
import palimpsest.engine.model.DecoderConfig.NormKind;
import palimpsest.engine.model.DecoderConfig.NormOptions;
import palimpsest.engine.model.DecoderConfig.PositionKind;
import palimpsest.engine.model.DecoderConfig.PositionOptions;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Configurations of a few thousand parameters, and folders of random weights for them. */
public final class TinyModels {
  private TinyModels() {}

  /** Llama: 2 layers, width 8, 2 heads over 1, tied or not. */
  public static DecoderConfig llama(boolean tied) {
    return new DecoderConfig(
        "llama",
        11,
        16,
        2,
        8,
        new AttentionOptions(2, 1, 4, 0.5, false, false, false, false, Collections.nCopies(2, 0)),
        new FeedForwardOptions(12, Activation.Kind.SILU_GATED, false),
        new NormOptions(NormKind.RMSNORM, 1e-5, false, false),
        PositionOptions.rope(1e4, 4),
        tied,
        false,
        1,
        OptionalInt.of(1),
        List.of(2, 0));
  }

  /** GPT-2: 2 layers, width 8, 2 heads. */
  public static DecoderConfig gpt2() {
    return new DecoderConfig(
        "gpt2",
        11,
        16,
        2,
        8,
        new AttentionOptions(2, 2, 4, 0.5, true, true, true, false, Collections.nCopies(2, 0)),
        new FeedForwardOptions(32, Activation.Kind.GELU_TANH, true),
        new NormOptions(NormKind.LAYERNORM, 1e-5, false, false),
        PositionOptions.learned(),
        true,
        false,
        1,
        OptionalInt.empty(),
        List.of(10));
  }

  /** Gemma 3: 7 layers, every sixth without a window. */
  public static DecoderConfig gemma() {
    return new DecoderConfig(
        "gemma3_text",
        11,
        64,
        7,
        8,
        new AttentionOptions(
            2, 1, 16, 0.25, false, false, false, true, List.of(5, 5, 5, 5, 5, 0, 5)),
        new FeedForwardOptions(12, Activation.Kind.GELU_TANH_GATED, false),
        new NormOptions(NormKind.RMSNORM, 1e-6, true, true),
        new PositionOptions(PositionKind.ROPE, 1e6, 1e4, 16),
        true,
        false,
        Math.sqrt(8),
        OptionalInt.of(2),
        List.of(1));
  }

  /** Writes a folder of random numbers, linear layers as [out, in]; gives the same numbers back. */
  public static ModelFolder.Values write(
      Path path, DecoderConfig config, long seed, TensorArena arena) {
    Random random = new Random(seed);
    List<TensorNames.Slot> slots = TensorNames.of(config).slots();
    List<Tensor> tensors = new ArrayList<>();
    for (TensorNames.Slot slot : slots) {
      long[] shape = slot.shape().clone();
      if (slot.inputMajor()) {
        shape = new long[] {shape[1], shape[0]};
      }
      Tensor tensor = arena.allocate(DType.F32, shape);
      for (long i = 0; i < tensor.size(); i++) {
        tensor.set(i, random.nextGaussian());
      }
      tensors.add(tensor);
    }
    ModelFolder.Values values =
        (role, layer, bias) -> {
          for (int i = 0; i < slots.size(); i++) {
            TensorNames.Slot slot = slots.get(i);
            if (slot.role() == role && slot.layer() == layer && slot.bias() == bias) {
              return tensors.get(i);
            }
          }
          throw new IllegalArgumentException(role + " " + layer);
        };
    ModelFolder.write(path, config, values, Optional.empty());
    return values;
  }
}
