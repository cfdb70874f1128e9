package palimpsest.cli;

import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.Waiver;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.MemoryPlan;
import palimpsest.synth.RunPlan;
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
      names = "--size-bound",
      paramLabel = "N",
      description =
          "A public number that the records are not more than; sampling rate and delta follow from it alone.")
  private Long sizeBound;

  @Option(
      names = "--size-is-public",
      description =
          "Use the number of records itself: a waiver, which the privacy statement repeats.")
  private boolean sizeIsPublic;

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
      names = "--steps",
      paramLabel = "T",
      description = "Number of updates, instead of the rule.")
  private Integer steps;

  @Option(
      names = "--learning-rate",
      paramLabel = "R",
      description =
          "Peak learning rate (default: lora 2e-3, prompt 2e-2, bias 5e-3, full 1e-4; none for sgd).")
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

  @Option(
      names = "--compute",
      defaultValue = "BF16",
      paramLabel = "TYPE",
      description =
          "Matrix products in bf16 (default), f32, or f64 (the reference, slow). Speed only.")
  private DType compute;

  @Option(
      names = "--workers",
      paramLabel = "W",
      description = "Threads (default: all processors). Speed only.")
  private Integer workers;

  @Option(
      names = "--recompute",
      description =
          "Keep of each block its input alone and compute the rest again on the way back: less memory for long"
              + " records, more time, the same result. Not with --method full.")
  private boolean recompute;

  @Option(
      names = "--memory",
      paramLabel = "GIB",
      description =
          "Gibibytes that the run may take, the text of the records not counted: fewer threads, tokens and records at a"
              + " time if need be. Speed only.")
  private Double memory;

  /** The run's settings; reads the file's length only under the waiver. */
  RunSettings settings(Path file, DataOptions data) {
    TuningMethod tuned = method.method();
    long bound;
    if (sizeBound != null) {
      bound = sizeBound;
    } else if (sizeIsPublic) {
      Records records = Records.read(file, data.records(), data.labels(file));
      bound = records.size();
      records.erase();
    } else {
      throw new InputException(
          "size: give a public bound of the number of records with --size-bound N, or state the waiver --size-is-public");
    }
    return new RunSettings(
        new RunSettings.Goal(
            NeighbouringRelation.ADD_REMOVE,
            epsilon,
            delta == null ? OptionalDouble.empty() : OptionalDouble.of(delta),
            data.unit(),
            data.recordsPerUnit()),
        bound,
        maxTokens,
        meanTokens == null ? OptionalInt.empty() : OptionalInt.of(meanTokens),
        Duration.ofMinutes(minutes),
        clip.norm(),
        tuned,
        batch == null ? OptionalLong.empty() : OptionalLong.of(batch),
        steps == null ? OptionalInt.empty() : OptionalInt.of(steps),
        optimizer.choice(learningRate),
        labelNoise == null ? OptionalDouble.empty() : OptionalDouble.of(labelNoise),
        clip.rule());
  }

  /**
   * How the run is made.
   *
   * @param base the model's folder
   */
  ExecutionSpec execution(Path base, RunSettings settings) {
    ExecutionSpec standard = ExecutionSpec.defaults();
    ExecutionSpec asked =
        new ExecutionSpec(
            compute,
            workers == null ? standard.workers() : workers,
            standard.groupRows(),
            standard.groupExamples(),
            standard.streams(),
            recompute);
    if (memory == null) {
      return asked;
    }
    if (!(memory > 0 && memory < 1e6)) {
      throw new InputException("--memory: " + memory + " GiB; it must be positive");
    }
    try (ModelFolder folder = ModelFolder.open(base)) {
      return MemoryPlan.fit(
          RunPlan.of(settings, folder.config()),
          folder.config(),
          asked,
          (long) (memory * (1L << 30)));
    }
  }

  /** What the owner declared public. */
  Set<Waiver> waivers(DataOptions data) {
    Set<Waiver> waivers = EnumSet.noneOf(Waiver.class);
    if (sizeBound == null && sizeIsPublic) {
      waivers.add(Waiver.SIZE_IS_PUBLIC);
    }
    if (data.declaredLabels().isEmpty() && data.labelsArePublic()) {
      waivers.add(Waiver.LABELS_ARE_PUBLIC);
    }
    return waivers;
  }
}
