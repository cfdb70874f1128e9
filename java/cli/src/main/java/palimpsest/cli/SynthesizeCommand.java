package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import palimpsest.engine.model.ModelCache;
import palimpsest.synth.Synthesis;
import palimpsest.synth.text.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The whole job in one command. */
@Command(
    name = "synthesize",
    description =
        "A private labelled file in; a synthetic file, a tuned adapter and one privacy statement out.",
    footer = {
      "",
      "Example: palimpsest synthesize --data tickets.csv --text body --label queue --labels queues.txt \\",
      "           --size-bound 6000 --model smollm2-135m --epsilon 8 --records 1000 --out synthetic-tickets"
    })
final class SynthesizeCommand extends Verb {
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

  @Mixin private SamplingOptions sampling;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "The output folder; must not exist, or be empty.")
  private Path out;

  @Option(
      names = "--format",
      defaultValue = "jsonl",
      paramLabel = "F",
      description = "jsonl (default) or csv.")
  private OutputFormat format;

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

  enum OutputFormat {
    JSONL,
    CSV
  }

  @Override
  public Integer call() {
    RecordOptions options = data.records();
    Synthesis.Destination standard = Synthesis.Destination.of(out);
    Synthesis.Destination destination =
        new Synthesis.Destination(
            out,
            format == OutputFormat.CSV,
            state == null ? standard.state() : state,
            cap == null ? OptionalDouble.empty() : OptionalDouble.of(cap),
            resume);
    if (discard) {
      Synthesis.discard(destination);
    }
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      Synthesis.Outcome outcome =
          Synthesis.run(
              ModelCache.standard().resolve(model),
              new Synthesis.Source(
                  file, options, data.labels(file), name == null ? nameOf(file) : name),
              training.prompt(),
              training.settings(file, data),
              sampling.settings(),
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

  private static Map<String, Object> fields(Synthesis.Outcome outcome) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("folder", outcome.folder().toString());
    fields.put("records", outcome.records().size());
    fields.put("statement", outcome.statement().content());
    return fields;
  }

  private static String text(Synthesis.Outcome outcome) {
    return outcome.statement().text()
        + "\n"
        + outcome.records().size()
        + " synthetic records and this statement are in "
        + outcome.folder();
  }
}
