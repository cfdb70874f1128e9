package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import palimpsest.engine.model.ModelCache;
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

  @Mixin private PromptOptions prompt;

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
      description =
          "Set or lower the data set's limit: no run may bring its total above this (ledger cap raises it).")
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
      description =
          "Only say what the run would cost in epsilon, steps, time and memory, and do nothing.")
  private boolean plan;

  /** Runs the job, or prints its plan. */
  final Integer run(SamplingSettings sampling, boolean csv) {
    RunSettings settings = training.settings(file, data);
    Path base = ModelCache.standard().resolve(model);
    if (plan) {
      PlanText planned = PlanText.of(base, settings, training.execution());
      print(planned.fields(), planned.text());
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
              prompt.prompt(),
              settings,
              sampling,
              training.execution(),
              training.waivers(data),
              destination,
              listener);
      listener.close();
      print(fields(outcome), text(sampling, outcome));
      SamplingOptions.requireAny(sampling, outcome.records());
    }
    return ExitCode.DONE;
  }

  /** The account's name if none is given: public, since the owner chose the file's name. */
  static String nameOf(Path file) {
    String name = file.getFileName().toString();
    int dot = name.indexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  private static Map<String, Object> fields(Synthesis.Outcome outcome) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("folder", outcome.folder().toString());
    fields.put("records", outcome.records().size());
    fields.put("statement", outcome.statement().content());
    return fields;
  }

  private static String text(SamplingSettings sampling, Synthesis.Outcome outcome) {
    String made =
        sampling.records() == 0
            ? "The adapter and this statement are in "
            : SamplingOptions.count(sampling, outcome.records())
                + ", the adapter and this statement are in ";
    return outcome.statement().text() + "\n" + made + outcome.folder();
  }
}
