package palimpsest.cli;

import java.time.Duration;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import palimpsest.engine.model.TuningMethod;
import palimpsest.privacy.ClipRule;
import palimpsest.synth.RunSettings;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What settles a run beside its guarantee; the same words for a plan as for the run itself. */
final class RunOptions {
  @Option(
      names = "--size-bound",
      paramLabel = "N",
      description =
          "A public number that the records are not more than; sampling rate and delta follow from it alone.")
  private Long sizeBound;

  @Option(
      names = "--max-tokens",
      defaultValue = "96",
      paramLabel = "T",
      description =
          "Fixed longest record in tokens, prompt included; longer ones are cut (default 96).")
  private int maxTokens;

  @Option(
      names = "--mean-tokens",
      paramLabel = "T",
      description =
          "Public guess of a record's mean length, prompt included (default: half the longest); settles the time.")
  private Integer meanTokens;

  @Option(
      names = "--time",
      defaultValue = "10",
      paramLabel = "MIN",
      description =
          "Minutes that training may take on two ordinary cores (default 10); settles batch and steps.")
  private int minutes;

  @Option(
      names = "--batch",
      paramLabel = "B",
      description = "Expected batch, instead of the rule in docs/defaults.md.")
  private Long batch;

  @Option(
      names = "--learning-rate",
      paramLabel = "R",
      description =
          "Peak learning rate (default: lora 2e-3, prompt 2e-2, bias 5e-3, full 5e-4; none for sgd).")
  private Double learningRate;

  @Mixin private MethodOptions method;

  @Mixin private OptimizerOptions optimizer;

  @Mixin private ClipOptions clip;

  @Option(
      names = "--label-noise",
      paramLabel = "S",
      description =
          "Release the number of records of each label with Gaussian noise of S records (10, say), paid from the"
              + " same epsilon, and give synthetic records labels in these shares (default: no counts are released).")
  private Double labelNoise;

  /** The public bound that was given, if one was. */
  OptionalLong sizeBound() {
    return sizeBound == null ? OptionalLong.empty() : OptionalLong.of(sizeBound);
  }

  /**
   * The run's settings.
   *
   * @param bound of the number of records; asked for after method and clip rule, since under a
   *     waiver it is read from the file
   * @param steps empty: by the rule
   */
  RunSettings settings(RunSettings.Goal goal, LongSupplier bound, OptionalInt steps) {
    TuningMethod tuned = method.method();
    ClipRule rule = clip.rule();
    return new RunSettings(
        goal,
        bound.getAsLong(),
        maxTokens,
        meanTokens == null ? OptionalInt.empty() : OptionalInt.of(meanTokens),
        Duration.ofMinutes(minutes),
        clip.norm(),
        tuned,
        batch == null ? OptionalLong.empty() : OptionalLong.of(batch),
        steps,
        optimizer.choice(learningRate),
        labelNoise == null ? OptionalDouble.empty() : OptionalDouble.of(labelNoise),
        rule);
  }
}
