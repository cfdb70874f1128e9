package palimpsest.cli;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.Option;

/** Which parameters are trained; the same words in every command that trains or plans. */
final class MethodOptions {
  private static final int STANDARD_RANK = 8;
  private static final int STANDARD_PROMPT = 40;

  /** The ways of tuning. */
  enum Method {
    LORA,
    PROMPT,
    BIAS,
    FULL
  }

  @Option(
      names = "--method",
      defaultValue = "lora",
      paramLabel = "METHOD",
      description =
          "What is trained: lora (adapters, the default), prompt (a soft prompt), bias (bias vectors) or full (the"
              + " model's own weights, all or those that --train names); see docs/methods.md.")
  private Method method;

  @Option(
      names = "--rank",
      paramLabel = "R",
      description = "With lora: rank of the adapters (default " + STANDARD_RANK + ").")
  private Integer rank;

  @Option(
      names = "--alpha",
      paramLabel = "A",
      description = "With lora: the adapters are scaled by alpha / rank (default 2 x rank).")
  private Double alpha;

  @Option(
      names = "--targets",
      paramLabel = "LAYERS",
      split = ",",
      description =
          "With lora and bias: the linear layers that are tuned, such as query,value (default all): query, key,"
              + " value or query_key_value, attention_output, gate, up, down.")
  private Set<Role> targets;

  @Option(
      names = "--train",
      paramLabel = "PATTERN",
      split = ",",
      description =
          "With full: only the tensors whose names in the model's file match a pattern are trained, such as"
              + " 'model.layers.*.mlp.*,!*.bias': * is any characters, ? one, and ! takes away (default all).")
  private List<String> train;

  @Option(
      names = "--prompt-tokens",
      paramLabel = "N",
      description =
          "With prompt: how many virtual tokens are trained (default " + STANDARD_PROMPT + ").")
  private Integer promptTokens;

  @Option(
      names = "--norms",
      paramLabel = "NORMS",
      description =
          "With full: the norms that gradients are clipped by are exact (default) or sketched, estimated at less"
              + " cost for all but short records.")
  private Norms norms;

  /**
   * The method with its settings.
   *
   * @throws InputException if a setting of another method is given
   */
  TuningMethod method() {
    refuse("--rank", rank != null && method != Method.LORA);
    refuse("--alpha", alpha != null && method != Method.LORA);
    refuse("--targets", targets != null && (method == Method.PROMPT || method == Method.FULL));
    refuse("--prompt-tokens", promptTokens != null && method != Method.PROMPT);
    refuse("--norms", norms != null && method != Method.FULL);
    refuse("--train", train != null && method != Method.FULL);
    Set<Role> layers = targets == null ? Set.of() : targets;
    return switch (method) {
      case LORA -> {
        int r = rank == null ? STANDARD_RANK : rank;
        yield new TuningMethod.Lora(r, alpha == null ? 2.0 * r : alpha, layers);
      }
      case PROMPT -> new TuningMethod.Prompt(promptTokens == null ? STANDARD_PROMPT : promptTokens);
      case BIAS -> new TuningMethod.Bias(layers);
      case FULL ->
          new TuningMethod.Full(
              train == null ? TensorPatterns.ALL : new TensorPatterns(train),
              norms == null ? Norms.EXACT : norms);
    };
  }

  private void refuse(String option, boolean given) {
    if (given) {
      throw new InputException(
          option + ": --method " + method.name().toLowerCase(Locale.ROOT) + " has no such setting");
    }
  }
}
