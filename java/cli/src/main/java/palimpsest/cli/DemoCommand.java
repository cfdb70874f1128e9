package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.OptimizerChoice;
import palimpsest.synth.RunSettings;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.Synthesis;
import palimpsest.synth.TunedModel;
import palimpsest.synth.bench.PeakProbe;
import palimpsest.synth.demo.Decoys;
import palimpsest.synth.demo.DemoData;
import palimpsest.synth.demo.Secret;
import palimpsest.synth.evaluate.Exposure;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The whole job on the data that ships with the project. */
@Command(
    name = "demo",
    description =
        "Synthesises 500 messages from 5,000 that ship with the project, and looks for 30 planted secrets.",
    footer = {"", "Example: palimpsest demo"})
final class DemoCommand extends Verb {
  static final Synthesis.Prompt PROMPT = new Synthesis.Prompt("customer message", Optional.empty());

  /** 20 steps of 135 messages of about 52 tokens with their prompt: some 141,000 tokens. */
  static final long BATCH = 135;

  static final int STEPS = 20;
  static final int MAX_TOKENS = 80;
  private static final int DECOYS = 1_000;
  private static final double PROBE_SECONDS = 0.1;

  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description =
          "The pretrained model (default smollm2-135m, which is fetched; palimpsest-3m comes with the project and is quick,"
              + " but writes nonsense after so short a run).")
  private String model;

  @Option(
      names = "--epsilon",
      defaultValue = "8",
      paramLabel = "E",
      converter = EpsilonConverter.class,
      description = "Target epsilon (default 8); inf trains without privacy.")
  private double epsilon;

  @Option(
      names = "--records",
      defaultValue = "500",
      paramLabel = "N",
      description = "How many messages to write (default 500).")
  private int records;

  @Option(
      names = "--out",
      defaultValue = "palimpsest-demo",
      paramLabel = "DIR",
      description = "Where to write (default palimpsest-demo).")
  private Path out;

  @Override
  public Integer call() throws IOException {
    Path base =
        ModelCache.standard()
            .find(model)
            .orElseGet(() -> ModelCache.standard().get(model, this::say));
    sayPeak();
    DemoData data = DemoData.load();
    Labels labels = labels(data);
    Path input = out.resolve("input");
    data.write(Files.createDirectories(input));
    ExecutionSpec execution = ExecutionSpec.defaults();
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      Synthesis.Outcome outcome =
          Synthesis.run(
              base,
              new Synthesis.Source(
                  input.resolve(DemoData.MESSAGES_FILE),
                  RecordOptions.of(List.of(Synthesis.TEXT_COLUMN), Synthesis.LABEL_COLUMN),
                  labels,
                  "demo"),
              PROMPT,
              settings(),
              SamplingSettings.of(records),
              execution,
              Set.of(),
              destination(),
              listener);
      Exposure exposure = exposure(base, data, labels, execution, outcome, listener);
      listener.close();
      ReleasePage.write(outcome.folder(), this::say);
      DemoReport report = DemoReport.of(model, data, labels, outcome, input, exposure);
      print(report.fields(), report.text());
    }
    return ExitCode.DONE;
  }

  private void sayPeak() {
    int cores = Runtime.getRuntime().availableProcessors();
    try (CpuKernels kernels = new CpuKernels(DType.BF16);
        PeakProbe probe = new PeakProbe(kernels, cores)) {
      say(
          String.format(
              Locale.ROOT,
              "this machine now: %.0f GFLOP/s in bf16 with %d cores",
              probe.all(PROBE_SECONDS),
              cores));
    }
  }

  static Labels labels(DemoData data) {
    Map<String, String> descriptions = new LinkedHashMap<>();
    data.labels().forEach(label -> descriptions.put(label.name(), label.description()));
    return Labels.of(descriptions);
  }

  /** A demo that was interrupted goes on where it was. */
  private Synthesis.Destination destination() {
    Path state = out.resolve("private-state");
    Path folder = out.resolve("synthetic");
    Synthesis.Destination fresh =
        new Synthesis.Destination(folder, false, state, OptionalDouble.empty(), false);
    return Synthesis.isUnfinished(fresh)
        ? new Synthesis.Destination(folder, false, state, OptionalDouble.empty(), true)
        : fresh;
  }

  private RunSettings settings() {
    return new RunSettings(
        RunSettings.Goal.of(epsilon),
        DemoData.MESSAGES,
        MAX_TOKENS,
        OptionalInt.empty(),
        Duration.ofMinutes(5),
        1,
        TuningMethod.Lora.of(8),
        OptionalLong.of(BATCH),
        OptionalInt.of(STEPS),
        OptimizerChoice.none(),
        OptionalDouble.empty());
  }

  private static Exposure exposure(
      Path base,
      DemoData data,
      Labels labels,
      ExecutionSpec execution,
      Synthesis.Outcome outcome,
      ProgressListener listener) {
    Path adapter = outcome.folder().resolve(Synthesis.ADAPTER);
    List<Integer> trainedUnder = new ArrayList<>();
    for (Secret secret : data.secrets()) {
      trainedUnder.add(labels.indexOf(data.messages().get(secret.line() - 1).label()));
    }
    try (TunedModel tuned =
        new TunedModel(base, adapter, labels, PROMPT, execution, 3 * MAX_TOKENS)) {
      return tuned.exposure(Decoys.cases(data.secrets(), DECOYS), trainedUnder, listener);
    }
  }
}
