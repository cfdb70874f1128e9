package palimpsest.cli;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.Waiver;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.RunSettings;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Records;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What a private training run needs to be told; the same words in every command that trains. */
final class TrainingOptions {
  @Option(
      names = "--epsilon",
      required = true,
      paramLabel = "E",
      converter = EpsilonConverter.class,
      description =
          "Target of the guarantee; inf trains without privacy and stamps the output NON-PRIVATE.")
  private double epsilon;

  @Option(
      names = "--delta",
      paramLabel = "D",
      description = "Below 1 / size bound (default: size bound^-1.1).")
  private Double delta;

  @Option(
      names = "--size-is-public",
      description =
          "Use the number of records itself: a waiver, which the privacy statement repeats.")
  private boolean sizeIsPublic;

  @Option(
      names = "--steps",
      paramLabel = "T",
      description = "Number of updates, instead of the rule.")
  private Integer steps;

  @Mixin private RunOptions run;

  @Mixin private ExecutionOptions execution;

  /** The run's settings; reads the file's length only under the waiver. */
  RunSettings settings(Path file, DataOptions data) {
    return run.settings(
        new RunSettings.Goal(
            NeighbouringRelation.ADD_REMOVE,
            epsilon,
            delta == null ? OptionalDouble.empty() : OptionalDouble.of(delta),
            data.unit(),
            data.recordsPerUnit()),
        () -> run.sizeBound().orElseGet(() -> publicSize(file, data)),
        steps == null ? OptionalInt.empty() : OptionalInt.of(steps));
  }

  private long publicSize(Path file, DataOptions data) {
    if (!sizeIsPublic) {
      throw new InputException(
          "size: give a public bound of the number of records with --size-bound N, or state the waiver --size-is-public");
    }
    Records records = Records.read(file, data.records(), data.labels(file));
    long size = records.size();
    records.erase();
    return size;
  }

  /**
   * How the run is made.
   *
   * @param base the model's folder
   */
  ExecutionSpec execution(Path base, RunSettings settings) {
    return execution.execution(base, settings);
  }

  /** What the owner declared public. */
  Set<Waiver> waivers(DataOptions data) {
    Set<Waiver> waivers = EnumSet.noneOf(Waiver.class);
    if (run.sizeBound().isEmpty() && sizeIsPublic) {
      waivers.add(Waiver.SIZE_IS_PUBLIC);
    }
    if (data.declaredLabels().isEmpty() && data.labelsArePublic()) {
      waivers.add(Waiver.LABELS_ARE_PUBLIC);
    }
    return waivers;
  }
}
