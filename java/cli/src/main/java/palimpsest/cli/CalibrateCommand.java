package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.EpsilonBracket;
import palimpsest.privacy.MechanismSpec;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The least noise that meets a target epsilon. */
@Command(
    name = "calibrate",
    description = {
      "The least noise with which given training settings (--rate, --steps, --delta) meet a target epsilon.",
      "With --plan: the settings that synthesize would choose for so many records, and what the run would cost."
    },
    footer = {
      "",
      "Example: palimpsest calibrate --epsilon 4 --rate 0.01 --steps 1000 --delta 1e-5",
      "Example: palimpsest calibrate --plan --epsilon 8 --size-bound 6000"
    })
final class CalibrateCommand extends Verb {
  @Mixin private MechanismOptions mechanism;

  @Option(
      names = "--epsilon",
      required = true,
      paramLabel = "E",
      converter = EpsilonConverter.class,
      description = "Target: positive, or inf for a run without noise, which is not private.")
  private double target;

  @Option(
      names = "--plan",
      description = "Print the settings of a whole run for --size-bound records, and its cost.")
  private boolean plan;

  @Mixin private PlanOptions planned;

  @Spec private CommandSpec command;

  /** Whoever names an option of a run and gets the price of another one would be misled. */
  private void refusePlanOptions() {
    List<OptionSpec> ofPlans = command.mixins().get("planned").options();
    command.commandLine().getParseResult().matchedOptions().stream()
        .filter(ofPlans::contains)
        .findFirst()
        .ifPresent(option -> {
          throw new InputException(option.longestName() + ": says something with --plan alone");
        });
  }

  @Override
  public Integer call() {
    if (plan) {
      PlanText text = planned.plan(mechanism, target);
      print(text.fields(), text.text());
      return ExitCode.DONE;
    }
    refusePlanOptions();
    boolean isPrivate = target < Double.POSITIVE_INFINITY;
    MechanismSpec spec =
        isPrivate ? Calibration.calibrate(mechanism.spec(1), target) : mechanism.spec(0);
    EpsilonBracket epsilon = Accountant.of(spec).epsilon(spec.delta());
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("noise_multiplier", spec.noiseMultiplier());
    fields.put("private", isPrivate);
    fields.put("epsilon", epsilon.upper());
    fields.put("epsilon_lower_bound", epsilon.lower());
    fields.put("delta", spec.delta());
    fields.put("relation", MechanismOptions.name(spec.relation()));
    // Rounded up: whoever copies the shown figure adds a little more noise than needed, never less.
    String text =
        "noise multiplier %s for epsilon %s at delta %s, %s neighbours%s"
            .formatted(
                Numbers.upper(spec.noiseMultiplier()),
                Numbers.upper(epsilon.upper()),
                spec.delta(),
                MechanismOptions.name(spec.relation()),
                isPrivate ? "" : ": NOT PRIVATE");
    print(fields, text);
    return ExitCode.DONE;
  }
}
