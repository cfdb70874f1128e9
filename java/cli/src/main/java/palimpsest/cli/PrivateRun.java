package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.RunSettings;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.Synthesis;
import picocli.CommandLine.Option;

/** A run that the ledger pays for: what it is called, where it goes, and how it is gone on with. */
abstract class PrivateRun extends TrainingVerb {
  @Option(
      names = "--name",
      paramLabel = "NAME",
      description =
          "The data set's name in the privacy ledger; the first data set may go without (its file's name up to the first dot). A file that holds an account's data, changed or in part, goes on with that name.")
  private String name;

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
    RunSettings settings = settings();
    Path base = base();
    if (plan) {
      PlanText planned = PlanText.of(base, settings, execution(settings));
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
              source(name),
              prompt(),
              settings,
              sampling,
              execution(settings),
              waivers(),
              destination,
              listener);
      listener.close();
      ReleasePage.write(outcome.folder(), this::say);
      print(fields(outcome), text(sampling, outcome));
      SamplingOptions.requireAny(sampling, outcome.records());
    }
    return ExitCode.DONE;
  }

  private static Map<String, Object> fields(Synthesis.Outcome outcome) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("folder", outcome.folder().toString());
    fields.put("records", outcome.records().size());
    fields.put("statement", outcome.statement().content());
    return fields;
  }

  private static String text(SamplingSettings sampling, Synthesis.Outcome outcome) {
    String tuned =
        outcome.plan().tuning().method() instanceof TuningMethod.Full ? "tuned model" : "adapter";
    String made =
        sampling.records() == 0
            ? "The " + tuned + " and this statement are in "
            : SamplingOptions.count(sampling, outcome.records())
                + ", the "
                + tuned
                + " and this statement are in ";
    return outcome.statement().text() + "\n" + made + outcome.folder();
  }
}
