package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import palimpsest.synth.LearningCurve;
import palimpsest.synth.RunSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** How a run learns, seen from inside. */
@Command(
    name = "curve",
    description = {
      "Makes the training that train would make, and shows the loss on held-out records on the way.",
      "Releases and keeps nothing, and no ledger pays: the figures are for the owner's eyes. Settings that are chosen by"
          + " them are chosen on these records, which no statement covers: choose on public records of the same kind."
    },
    footer = {
      "",
      "Example: palimpsest audit curve --data public.csv --held-out more.csv --text body --label queue \\",
      "           --labels queues.txt --size-bound 6000 --epsilon 8 --method full --norms sketched"
    })
final class AuditCurveCommand extends TrainingVerb {
  @Option(
      names = "--held-out",
      required = true,
      paramLabel = "FILE",
      description = "Records of the same form that are not trained on.")
  private Path heldOut;

  @Option(
      names = "--every",
      defaultValue = "4",
      paramLabel = "N",
      description = "Steps between two points (default 4).")
  private int every;

  @Override
  public Integer call() {
    RunSettings settings = settings();
    List<LearningCurve.Point> points;
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      points =
          LearningCurve.run(
              base(),
              source(null),
              heldOut,
              prompt(),
              settings,
              execution(settings),
              every,
              listener);
    }
    print(fields(points), text(points));
    return ExitCode.DONE;
  }

  private static Map<String, Object> fields(List<LearningCurve.Point> points) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("private", true);
    fields.put("note", PRIVATE_FIGURES);
    fields.put("points", points);
    return fields;
  }

  private static String text(List<LearningCurve.Point> points) {
    StringBuilder text = new StringBuilder(PRIVATE_FIGURES).append("\nsteps   nats a token\n");
    for (LearningCurve.Point point : points) {
      text.append(String.format(Locale.ROOT, "%5d   %.4f\n", point.step(), point.loss()));
    }
    return text.toString();
  }
}
