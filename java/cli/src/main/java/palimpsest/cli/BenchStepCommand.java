package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.bench.LoraStep;
import palimpsest.synth.bench.Measurement;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.bench.StepBenchmark;
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

  @Mixin private ModelOptions models;

  /** What is trained. */
  enum Method {
    LORA
  }

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      defaultValue = "smollm2-135m",
      description = "The base model (default: ${DEFAULT-VALUE}).")
  private String model;

  @Option(
      names = "--method",
      defaultValue = "lora",
      description = "What is trained: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Method method;

  @Option(
      names = "--length",
      split = ",",
      paramLabel = "T",
      defaultValue = "64,256",
      description = "Tokens an example (default: ${DEFAULT-VALUE}).")
  private int[] lengths;

  @Option(
      names = "--rank",
      paramLabel = "R",
      defaultValue = "8",
      description = "Rank of the adapters (default: ${DEFAULT-VALUE}).")
  private int rank;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Examples a step; by default two groups a worker.")
  private Integer batch;

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
      names = "--compute",
      defaultValue = "bf16",
      description = "Type of the matrix products: ${COMPLETION-CANDIDATES} (default: bf16).")
  private Compute compute;

  @Override
  public Integer call() throws IOException {
    int longest = Arrays.stream(lengths).max().orElseThrow();
    List<LoraStep.Shape> shapes = new ArrayList<>();
    for (int length : lengths) {
      shapes.add(shape(length));
    }
    Progress progress = progress("bench step", (long) rounds() * shapes.size());
    List<Measurement> measured = new ArrayList<>();
    try (CpuKernels kernels = new CpuKernels(compute.type());
        Decoder decoder = open(kernels, longest);
        progress) {
      for (int i = 0; i < shapes.size(); i++) {
        long before = (long) rounds() * i;
        measured.addAll(
            StepBenchmark.run(
                model,
                decoder,
                kernels,
                shapes.get(i),
                rounds(),
                done -> progress.update(before + done)));
      }
    }
    report(measured);
    return ExitCode.DONE;
  }

  private LoraStep.Shape shape(int length) {
    int threads = workers == null ? Runtime.getRuntime().availableProcessors() : workers;
    int rows = Math.max(groupRows, length);
    int examples = batch != null ? batch : GROUPS_A_WORKER * threads * (rows / Math.max(1, length));
    return new LoraStep.Shape(length, examples, rank, threads, rows);
  }

  private Decoder open(CpuKernels kernels, int longest) throws IOException {
    Optional<DecoderConfig> shape = RandomModel.named(model);
    if (shape.isEmpty()) {
      try (ModelFolder folder = ModelFolder.open(models.cache().resolve(model))) {
        return new Decoder(folder, kernels, true, longest);
      }
    }
    Path work = Files.createTempDirectory("palimpsest-bench");
    try {
      Path path = work.resolve(model);
      RandomModel.write(shape.get(), path, 1);
      try (ModelFolder folder = ModelFolder.open(path)) {
        return new Decoder(folder, kernels, true, longest);
      }
    } finally {
      AtomicFiles.deleteTree(work);
    }
  }
}
