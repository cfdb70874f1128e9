package palimpsest.cli;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import palimpsest.synth.OptimizerChoice;
import palimpsest.synth.OptimizerKind;
import palimpsest.synth.Schedule;
import picocli.CommandLine.Option;

/** What moves the parameters; the same words in every command that trains. */
final class OptimizerOptions {
  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      description =
          "sgd, adam, adamw or adafactor (default: adamw, but adafactor with --method full, which takes least memory).")
  private OptimizerKind kind;

  @Option(
      names = "--momentum",
      paramLabel = "M",
      description =
          "With sgd and adafactor: share of the first moment that stays from step to step (default: 0, which keeps"
              + " none).")
  private Double momentum;

  @Option(
      names = "--weight-decay",
      paramLabel = "D",
      description =
          "With sgd, adam and adamw: decay of matrices (default: none, but 0.1 with adamw on public text).")
  private Double weightDecay;

  @Option(
      names = "--schedule",
      paramLabel = "NAME",
      description =
          "How the rate goes on after the warm-up: constant, linear or cosine, the latter two to a tenth (default:"
              + " linear, but cosine on public text).")
  private Schedule schedule;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description =
          "Steps over which the rate rises (default: an eighth of all, but a twentieth on public text).")
  private Integer warmup;

  /**
   * What is asked for.
   *
   * @param learningRate null if none is
   */
  OptimizerChoice choice(Double learningRate) {
    return new OptimizerChoice(
        Optional.ofNullable(kind),
        optional(learningRate),
        optional(momentum),
        optional(weightDecay),
        Optional.ofNullable(schedule),
        warmup == null ? OptionalInt.empty() : OptionalInt.of(warmup));
  }

  private static OptionalDouble optional(Double value) {
    return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
  }
}
