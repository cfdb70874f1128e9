package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.SecretKey;
import palimpsest.privacy.TuningTrials;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The epsilon of tuning on private data: of a random number of runs only the best is released. */
@Command(
    name = "trials",
    description = {
      "The epsilon of choosing settings on private data: a run is made a random number K of times,",
      "with settings drawn anew each time, and only the best one is released.",
      "With --epsilon: the least noise with which that meets a target. With --draw: a K."
    },
    footer = {
      "",
      "Example: palimpsest trials --distribution logarithmic --mean 10 --rate 0.01 --noise 1.0 --steps 1000 --delta 1e-6",
      "Example: palimpsest trials --distribution logarithmic --mean 10 --rate 0.01 --epsilon 4 --steps 1000 --delta 1e-6",
      "Example: palimpsest trials --distribution logarithmic --mean 10 --draw"
    })
final class TrialsCommand extends Verb {
  private static final String CONDITIONS =
      """
      It holds if K is drawn (--draw) before the first run and neither K nor a run that is not the best is ever shown;
      each run draws its settings anew, with probabilities fixed beforehand, and costs no more than the one above;
      and the score that picks the best is computed from released texts and public data, or within the run's own epsilon.
      """;

  @Mixin private MechanismOptions mechanism;

  @Mixin private TrialOptions trialOptions;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Question question;

  @Spec private CommandSpec command;

  /** What is asked: the price of a noise, the noise for a price, or a number of runs. */
  static final class Question {
    @ArgGroup(exclusive = false)
    private NoiseOption noise;

    @Option(
        names = "--epsilon",
        required = true,
        paramLabel = "E",
        converter = EpsilonConverter.class,
        description = "Target of the best of K runs: positive.")
    private Double target;

    @Option(
        names = "--draw",
        required = true,
        description = "Print a K, drawn by the operating system's randomness: a secret.")
    private boolean draw;
  }

  @Override
  public Integer call() {
    TuningTrials trials = trialOptions.trials();
    if (question.draw) {
      draw(trials);
    } else {
      price(trials);
    }
    return ExitCode.DONE;
  }

  private void draw(TuningTrials trials) {
    refuseMechanismOptions();
    long runs;
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      runs = trials.draw(key);
    }
    say(
        "the number of runs is a secret, now and after the release, and so is every run but the best;");
    say(
        "the score that picks the best must come from released texts and public data, or be part of");
    say(
        "what the run's epsilon covers. Make all of them: to draw again or to stop early voids it.");
    print(Map.of("runs", runs), Long.toString(runs));
  }

  /** A K has nothing to do with the settings of a run: whoever gives them expects a price. */
  private void refuseMechanismOptions() {
    List<OptionSpec> ofRuns = command.mixins().get("mechanism").options();
    command.commandLine().getParseResult().matchedOptions().stream()
        .filter(ofRuns::contains)
        .findFirst()
        .ifPresent(option -> {
          throw new InputException(option.longestName() + ": says nothing with --draw");
        });
  }

  private void price(TuningTrials trials) {
    MechanismSpec spec =
        question.noise == null
            ? Calibration.calibrate(mechanism.spec(1), trials, question.target)
            : question.noise.spec(mechanism);
    double best = trials.epsilon(spec);
    if (best == Double.POSITIVE_INFINITY) {
      throw new IllegalArgumentException(
          "no finite epsilon is known for the best of runs with so little noise");
    }
    double one = Accountant.of(spec).epsilon(spec.delta()).upper();
    long all = (long) Math.ceil(trialOptions.mean());
    List<PrivacyEvent> events =
        List.of(new PrivacyEvent.PoissonGaussian(spec, Math.multiplyExact(all, spec.steps())));
    double composed = Accountant.of(spec.relation(), events).epsilon(spec.delta()).upper();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("epsilon", best);
    fields.put("epsilon_one_run", one);
    fields.put("epsilon_all_runs", composed);
    fields.put("runs_composed", all);
    fields.put("noise_multiplier", spec.noiseMultiplier());
    fields.put("distribution", trialOptions.distribution());
    fields.put("mean", trialOptions.mean());
    fields.put("delta", spec.delta());
    fields.put("relation", MechanismOptions.name(spec.relation()));
    print(fields, text(spec, new double[] {best, one, composed}, all));
  }

  /** The figures for a person; the noise is rounded up, so that one who copies it is safe. */
  private String text(MechanismSpec spec, double[] epsilon, long all) {
    return """
    best of K         epsilon %s at delta %s, %s neighbours; K %s with mean %s
    one run           epsilon %s
    %-16s  epsilon %s, if each of so many is released%s
    noise multiplier  %s
    %s\
    """
        .formatted(
            Numbers.upper(epsilon[0]),
            spec.delta(),
            MechanismOptions.name(spec.relation()),
            trialOptions.distribution(),
            trialOptions.mean(),
            Numbers.upper(epsilon[1]),
            all + " runs",
            Numbers.upper(epsilon[2]),
            epsilon[2] <= epsilon[0] ? ": here a fixed number costs no more" : "",
            Numbers.upper(spec.noiseMultiplier()),
            CONDITIONS);
  }
}
