package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.ModelFolder;
import palimpsest.synth.RunPlan;
import palimpsest.synth.RunSettings;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.Synthesis;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the commands that train on private records share. */
abstract class PrivateRun extends Verb {
  @Option(names = "--data", required = true, paramLabel = "FILE", description = "The private file.")
  private Path file;

  @Mixin private DataOptions data;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description =
          "The data set's name in the privacy ledger (default: the file's name up to its first dot).")
  private String name;

  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "A fetched model's name or a model folder (default smollm2-135m).")
  private String model;

  @Mixin private TrainingOptions training;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "The output folder; must not exist, or be empty.")
  private Path out;

  @Option(
      names = "--cap",
      paramLabel = "E",
      description = "Set the data set's limit: no run may bring its total above this.")
  private Double cap;

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description = "The private state directory (default ~/.local/state/palimpsest).")
  private Path state;

  @Option(
      names = "--resume",
      description = "Go on with the interrupted run for this output folder.")
  private boolean resume;

  @Option(
      names = "--discard",
      description = "Forget the interrupted run for this output folder; what it paid stays paid.")
  private boolean discard;

  @Option(
      names = "--plan",
      description = "Only say what the run would cost in epsilon, steps and time; reads no record.")
  private boolean plan;

  /** Runs the job, or prints its plan. */
  final Integer run(SamplingSettings sampling, boolean csv) {
    RunSettings settings = training.settings(file, data);
    Path base = ModelCache.standard().resolve(model);
    if (plan) {
      printPlan(base, settings);
      return ExitCode.DONE;
    }
    Synthesis.Destination standard = Synthesis.Destination.of(out);
    Synthesis.Destination destination =
        new Synthesis.Destination(
            out,
            csv,
            state == null ? standard.state() : state,
            cap == null ? OptionalDouble.empty() : OptionalDouble.of(cap),
            resume);
    if (discard) {
      Synthesis.discard(destination);
    }
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      Synthesis.Outcome outcome =
          Synthesis.run(
              base,
              new Synthesis.Source(
                  file, data.records(), data.labels(file), name == null ? nameOf(file) : name),
              training.prompt(),
              settings,
              sampling,
              training.execution(),
              training.waivers(data),
              destination,
              listener);
      listener.close();
      print(fields(outcome), text(outcome));
    }
    return ExitCode.DONE;
  }

  /** The account's name if none is given: public, since the owner chose the file's name. */
  static String nameOf(Path file) {
    String name = file.getFileName().toString();
    int dot = name.indexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  private void printPlan(Path base, RunSettings settings) {
    RunPlan planned;
    try (ModelFolder folder = ModelFolder.open(base)) {
      planned = RunPlan.of(settings, folder.config());
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("epsilon", Numbers.upper(planned.epsilon().upper()));
    fields.put("delta", planned.mechanism().delta());
    fields.put("noiseMultiplier", planned.mechanism().noiseMultiplier());
    fields.put("expectedBatch", planned.mechanism().expectedBatch());
    fields.put("samplingRate", planned.mechanism().samplingRate());
    fields.put("steps", planned.mechanism().steps());
    fields.put("maxTokens", planned.maxTokens());
    fields.put("nominalTokens", planned.tokens());
    fields.put("nominalMinutes", Math.round(planned.seconds() / 6) / 10.0);
    StringBuilder text = new StringBuilder("No record was read. The run would be:\n");
    fields.forEach((key, value) -> text.append("  %-16s %s%n".formatted(key, value)));
    print(fields, text.toString());
  }

  private static Map<String, Object> fields(Synthesis.Outcome outcome) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("folder", outcome.folder().toString());
    fields.put("records", outcome.records().size());
    fields.put("statement", outcome.statement().content());
    return fields;
  }

  private static String text(Synthesis.Outcome outcome) {
    String made =
        outcome.records().isEmpty()
            ? "The adapter and this statement are in "
            : outcome.records().size()
                + " synthetic records, the adapter and this statement are in ";
    return outcome.statement().text() + "\n" + made + outcome.folder();
  }
}
