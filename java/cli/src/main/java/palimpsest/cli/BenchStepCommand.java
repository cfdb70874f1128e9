package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.OptimizerChoice;
import palimpsest.synth.OptimizerKind;
import palimpsest.synth.RunPlan;
import palimpsest.synth.bench.Measurement;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.bench.StepBenchmark;
import palimpsest.synth.bench.TuningStep;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A private training step, the same step without privacy, and the machine's peak. */
@Command(
    name = "step",
    description = {
      "A private training step on random tokens, in turns with the same step without privacy.",
      "Models: a name or folder as for `model show`, or random-gpt2-124m, random-smollm2-135m."
    },
    footer = {"", "Example: palimpsest bench step --model smollm2-135m --length 64,256"})
final class BenchStepCommand extends BenchVerb {
  /** Groups a worker gets in the default batch: one would hide how work is shared out. */
  private static final int GROUPS_A_WORKER = 2;

  private static final double LEARNING_RATE = 1e-4;

  @Mixin private ModelOptions models;

  @Mixin private MethodOptions method;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      description =
          "sgd, adam, adamw or adafactor (default: adamw, but adafactor with --method full).")
  private OptimizerKind optimizer;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      defaultValue = "smollm2-135m",
      description = "The base model (default: ${DEFAULT-VALUE}).")
  private String model;

  @Option(
      names = "--length",
      split = ",",
      paramLabel = "T",
      defaultValue = "64,256",
      description = "Tokens an example (default: ${DEFAULT-VALUE}).")
  private int[] lengths;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Examples a step; by default two groups a worker.")
  private Integer batch;

  @Option(
      names = "--only",
      paramLabel = "KIND",
      description =
          "Only one kind of step, to see its peak of memory: ${COMPLETION-CANDIDATES}; by default both, in turns.")
  private StepBenchmark.Kind only;

  @Option(
      names = "--workers",
      paramLabel = "N",
      description = "Threads; by default one a processor.")
  private Integer workers;

  @Option(
      names = "--group-rows",
      paramLabel = "N",
      defaultValue = "256",
      description = "Tokens a worker takes at a time (default: ${DEFAULT-VALUE}).")
  private int groupRows;

  @Option(
      names = "--recompute",
      description = "Compute activations again on the way back instead of keeping them.")
  private boolean recompute;

  @Option(
      names = "--compute",
      defaultValue = "bf16",
      description = "Type of the matrix products: ${COMPLETION-CANDIDATES} (default: bf16).")
  private Compute compute;

  @Override
  public Integer call() throws IOException {
    int longest = Arrays.stream(lengths).max().orElseThrow();
    List<TuningStep.Shape> shapes = new ArrayList<>();
    for (int length : lengths) {
      shapes.add(shape(length));
    }
    Progress progress = progress("bench step", (long) rounds() * shapes.size());
    List<Measurement> measured = new ArrayList<>();
    try (CpuKernels kernels = new CpuKernels(compute.type());
        TunedDecoder tuned = open(kernels, longest);
        progress) {
      for (int i = 0; i < shapes.size(); i++) {
        long before = (long) rounds() * i;
        measured.addAll(
            StepBenchmark.run(
                model,
                tuned,
                kernels,
                shapes.get(i),
                only == null ? List.of(StepBenchmark.Kind.values()) : List.of(only),
                rounds(),
                done -> progress.update(before + done)));
      }
    }
    report(measured);
    return ExitCode.DONE;
  }

  private TuningStep.Shape shape(int length) {
    int threads = workers == null ? Runtime.getRuntime().availableProcessors() : workers;
    TuningMethod tuning = method.method();
    int longest = Math.max(1, length + tuning.promptTokens());
    int rows = Math.max(groupRows, longest);
    int examples = batch != null ? batch : GROUPS_A_WORKER * threads * (rows / longest);
    return new TuningStep.Shape(
        length, examples, tuning, settings(tuning), threads, rows, recompute);
  }

  private Optimizer.Settings settings(TuningMethod tuning) {
    OptimizerKind kind = optimizer == null ? OptimizerKind.standard(tuning) : optimizer;
    return OptimizerChoice.of(kind, OptionalDouble.of(LEARNING_RATE))
        .settle(RunPlan.standard(tuning, 1))
        .settings();
  }

  private TunedDecoder open(CpuKernels kernels, int longest) throws IOException {
    Optional<DecoderConfig> shape = RandomModel.named(model);
    if (shape.isEmpty()) {
      try (ModelFolder folder = ModelFolder.open(models.cache().resolve(model))) {
        return begin(folder, kernels, longest);
      }
    }
    Path work = Files.createTempDirectory("palimpsest-bench");
    try {
      Path path = work.resolve(model);
      RandomModel.write(shape.get(), path, 1);
      try (ModelFolder folder = ModelFolder.open(path)) {
        return begin(folder, kernels, longest);
      }
    } finally {
      AtomicFiles.deleteTree(work);
    }
  }

  private TunedDecoder begin(ModelFolder folder, CpuKernels kernels, int longest) {
    return TunedDecoder.begin(folder, kernels, longest, method.method(), new SplittableRandom(1));
  }
}
