package palimpsest.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
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
import java.util.Properties;
import java.util.Set;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.model.ModelCache;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.RunSettings;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.Synthesis;
import palimpsest.synth.SyntheticRecord;
import palimpsest.synth.TunedModel;
import palimpsest.synth.demo.Decoys;
import palimpsest.synth.demo.DemoData;
import palimpsest.synth.demo.Secret;
import palimpsest.synth.evaluate.Exposure;
import palimpsest.synth.evaluate.LabelAgreement;
import palimpsest.synth.evaluate.NaiveBayes;
import palimpsest.synth.evaluate.SecretScan;
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
  /** 20 steps of 200 messages of about 37 tokens with their prompt: under 150,000 tokens. */
  private static final long BATCH = 200;

  private static final int STEPS = 20;
  private static final int MAX_TOKENS = 80;
  private static final int DECOYS = 1_000;
  private static final String STORED = "non-private-exposure.properties";

  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "The pretrained model (default smollm2-135m).")
  private String model;

  @Option(
      names = "--epsilon",
      defaultValue = "8",
      paramLabel = "E",
      converter = EpsilonConverter.class,
      description = "Target epsilon (default 8); inf shows what goes wrong without privacy.")
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
    say(
        String.format(
            Locale.ROOT,
            "this machine now: %.0f GFLOP/s in bf16 with all cores",
            Probe.allCores()));
    DemoData data = DemoData.load();
    Map<String, String> descriptions = new LinkedHashMap<>();
    data.labels().forEach(label -> descriptions.put(label.name(), label.description()));
    Labels labels = Labels.of(descriptions);
    Path input = out.resolve("input");
    data.write(Files.createDirectories(input));
    Synthesis.Prompt prompt = new Synthesis.Prompt("customer message", Optional.empty());
    ExecutionSpec execution = ExecutionSpec.defaults();
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      Synthesis.Destination standard = Synthesis.Destination.of(out.resolve("synthetic"));
      Synthesis.Destination destination =
          new Synthesis.Destination(
              standard.folder(),
              false,
              out.resolve("private-state"),
              OptionalDouble.empty(),
              false);
      Synthesis.Outcome outcome =
          Synthesis.run(
              base,
              new Synthesis.Source(
                  input.resolve(DemoData.MESSAGES_FILE),
                  RecordOptions.of(List.of("text"), "label"),
                  labels,
                  "demo"),
              prompt,
              settings(),
              SamplingSettings.of(records),
              execution,
              Set.of(),
              destination,
              listener);
      Exposure exposure = exposure(base, data, labels, prompt, execution, outcome, listener);
      listener.close();
      report(data, labels, outcome, exposure);
    }
    return ExitCode.DONE;
  }

  private RunSettings settings() {
    return new RunSettings(
        NeighbouringRelation.ADD_REMOVE,
        epsilon,
        OptionalDouble.empty(),
        DemoData.MESSAGES,
        MAX_TOKENS,
        Duration.ofMinutes(5),
        1,
        8,
        1,
        OptionalLong.of(BATCH),
        OptionalInt.of(STEPS),
        OptionalDouble.empty());
  }

  private static Exposure exposure(
      Path base,
      DemoData data,
      Labels labels,
      Synthesis.Prompt prompt,
      ExecutionSpec execution,
      Synthesis.Outcome outcome,
      ProgressListener listener) {
    Path adapter = outcome.folder().resolve(Synthesis.ADAPTER);
    List<Integer> trainedUnder = new ArrayList<>();
    for (Secret secret : data.secrets()) {
      trainedUnder.add(labels.indexOf(data.messages().get(secret.line() - 1).label()));
    }
    try (TunedModel tuned =
        new TunedModel(base, adapter, labels, prompt, execution, 4 * MAX_TOKENS)) {
      return tuned.exposure(Decoys.cases(data.secrets(), DECOYS), trainedUnder, listener);
    }
  }

  private void report(DemoData data, Labels labels, Synthesis.Outcome outcome, Exposure exposure) {
    NaiveBayes judge =
        NaiveBayes.train(
            data.heldOut().stream().map(DemoData.Message::text).toList(),
            data.heldOut().stream().map(DemoData.Message::label).toList());
    List<String> texts = outcome.records().stream().map(SyntheticRecord::text).toList();
    LabelAgreement agreement =
        LabelAgreement.of(
            judge,
            texts,
            outcome.records().stream().map(record -> labels.name(record.label())).toList());
    SecretScan scan = SecretScan.of(data.secrets().stream().map(Secret::text).toList(), texts);
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("statement", outcome.statement().content());
    fields.put("records", outcome.records().size());
    fields.put("labelAgreement", agreement.overall().value());
    fields.put("meanExposureBits", exposure.mean());
    fields.put("maxExposureBits", exposure.max());
    fields.put("exposurePValue", exposure.combinedPValue());
    fields.put("secretsInOutput", scan.leaked().successes());
    fields.put("folder", out.toString());
    print(fields, text(labels, outcome, agreement, exposure, scan));
  }

  private String text(
      Labels labels,
      Synthesis.Outcome outcome,
      LabelAgreement agreement,
      Exposure exposure,
      SecretScan scan) {
    StringBuilder text = new StringBuilder();
    text.append("One message a label, the first that was written:\n\n");
    for (int label = 0; label < labels.size(); label++) {
      int wanted = label;
      outcome.records().stream()
          .filter(record -> record.label() == wanted)
          .findFirst()
          .ifPresent(
              record -> text.append("  %-9s %s%n".formatted(labels.name(wanted), record.text())));
    }
    text.append(
        "%nA judge trained on 1,000 held-out real messages agrees with the label of %.0f %% (95 %% interval %.0f to %.0f).%n%n"
            .formatted(
                100 * agreement.overall().value(),
                100 * agreement.overall().lower(),
                100 * agreement.overall().upper()));
    text.append(
        "The 30 planted secrets, each among 1,000 decoys, in bits of exposure (0 to 10; 1.44 is chance):%n"
            .formatted());
    text.append(
        "  this run          mean %.2f, largest %.2f; chance would give ranks this low with p = %.2g%n"
            .formatted(exposure.mean(), exposure.max(), exposure.combinedPValue()));
    stored().ifPresent(line -> text.append("  without privacy   ").append(line).append('\n'));
    text.append("  found word for word in the output: %d%n%n".formatted(scan.leaked().successes()));
    text.append(outcome.statement().text()).append('\n');
    text.append("Look at ").append(outcome.folder().resolve(Synthesis.RECORDS_JSONL)).append(", ");
    text.append(outcome.folder().resolve(Synthesis.STATEMENT_TEXT)).append(" and the input in ");
    text.append(out.resolve("input")).append('.');
    return text.toString();
  }

  /** What the same run without noise showed, measured when the demo was made. */
  private static Optional<String> stored() {
    try (InputStream in = DemoCommand.class.getResourceAsStream(STORED)) {
      if (in == null) {
        return Optional.empty();
      }
      Properties properties = new Properties();
      properties.load(in);
      return Optional.of(
          "mean %s, largest %s; p = %s (stored: %s)"
              .formatted(
                  properties.getProperty("mean"),
                  properties.getProperty("max"),
                  properties.getProperty("p"),
                  properties.getProperty("how")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The rate of register-only multiply-adds of all cores together. */
  private static final class Probe {
    static double allCores() {
      int cores = Runtime.getRuntime().availableProcessors();
      List<Thread> threads = new ArrayList<>();
      double[] rates = new double[cores];
      for (int i = 0; i < cores; i++) {
        int core = i;
        threads.add(
            Thread.ofPlatform()
                .start(() ->
                    rates[core] = CpuLibrary.get().peak(CpuLibrary.get().bestTier(), true, 0.1)));
      }
      double total = 0;
      for (int i = 0; i < cores; i++) {
        try {
          threads.get(i).join();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        total += rates[i];
      }
      return total;
    }
  }
}
