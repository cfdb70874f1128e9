package palimpsest.cli;

import java.time.Duration;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import palimpsest.engine.model.ModelCache;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.OptimizerChoice;
import palimpsest.synth.RunSettings;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The public quantities from which the settings of a whole run follow. */
final class PlanOptions {
  @Option(
      names = "--size-bound",
      paramLabel = "N",
      description = "With --plan: a public number that the records are not more than.")
  private Long sizeBound;

  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "With --plan: the base model (default smollm2-135m).")
  private String model;

  @Option(
      names = "--max-tokens",
      defaultValue = "96",
      paramLabel = "T",
      description = "With --plan: longest record in tokens, prompt included (default 96).")
  private int maxTokens;

  @Option(
      names = "--mean-tokens",
      paramLabel = "T",
      description = "With --plan: public guess of the mean length (default: half the longest).")
  private Integer meanTokens;

  @Option(
      names = "--time",
      defaultValue = "10",
      paramLabel = "MIN",
      description =
          "With --plan: minutes that training may take on two ordinary cores (default 10).")
  private long minutes;

  @Option(
      names = "--recompute",
      description = "With --plan: activations are computed again instead of kept.")
  private boolean recompute;

  @Mixin private MethodOptions method;

  /** The plan for a target epsilon; steps and delta are the mechanism's if they are given. */
  PlanText plan(MechanismOptions mechanism, double epsilon) {
    if (sizeBound == null) {
      throw new InputException(
          "--plan needs --size-bound, a public bound of the number of records");
    }
    if (mechanism.rateGiven()) {
      throw new InputException("--rate: a plan settles it; leave it out");
    }
    RunSettings settings =
        new RunSettings(
            new RunSettings.Goal(
                mechanism.relation(),
                epsilon,
                mechanism.deltaIfGiven(),
                mechanism.unit(),
                mechanism.recordsPerUnit()),
            sizeBound,
            maxTokens,
            meanTokens == null ? OptionalInt.empty() : OptionalInt.of(meanTokens),
            Duration.ofMinutes(minutes),
            1,
            method.method(),
            OptionalLong.empty(),
            mechanism.stepsIfGiven(),
            OptimizerChoice.none(),
            OptionalDouble.empty());
    return PlanText.of(
        ModelCache.standard().resolve(model),
        settings,
        ExecutionSpec.defaults().withRecompute(recompute));
  }
}
