package palimpsest.cli;

import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderConfig;

/** Configurations small enough for a test. */
final class TinyConfigs {
  private TinyConfigs() {}

  /** BERT's options: 2 layers, width 32, 4 heads, vocabulary 67. */
  static EncoderConfig bert() {
    return new EncoderConfig(
        "bert",
        67,
        64,
        2,
        2,
        32,
        new DecoderConfig.AttentionOptions(
            4, 4, 8, 1 / Math.sqrt(8), true, true, false, false, Collections.nCopies(2, 0)),
        new DecoderConfig.FeedForwardOptions(80, Activation.Kind.GELU, true),
        new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-12, false, false));
  }

  /** Llama's options: 2 layers, width 48, 3 heads on 1, vocabulary 67. */
  static DecoderConfig llama() {
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
        true,
        false,
        1,
        OptionalInt.empty(),
        List.of(2));
  }
}
