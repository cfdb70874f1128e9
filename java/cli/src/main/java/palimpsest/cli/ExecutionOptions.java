package palimpsest.cli;

import java.nio.file.Path;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.tensor.DType;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.MemoryPlan;
import palimpsest.synth.RunPlan;
import palimpsest.synth.RunSettings;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.Option;

/** What bears on the speed and memory of a run, and on nothing else of it. */
final class ExecutionOptions {
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
          MemoryPlan.Base.of(folder),
          asked,
          (long) (memory * (1L << 30)));
    }
  }
}
