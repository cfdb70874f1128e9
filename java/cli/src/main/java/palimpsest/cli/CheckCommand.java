package palimpsest.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.Problem;
import palimpsest.synth.text.RecordOptions;
import palimpsest.synth.text.Records;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Shows the owner which records a private run would repair or drop. The run itself is silent about
 * them, since its messages would be a function of the data.
 */
@Command(
    name = "check",
    description = "Reads a file as a private run would and tells its owner what is wrong with it.",
    footer = {"", "Example: palimpsest check tickets.csv --text body --label queue"})
final class CheckCommand extends Verb {
  private static final int SHOWN = 20;

  @Parameters(paramLabel = "FILE", description = "The file of records.")
  private Path file;

  @Mixin private DataOptions data;

  @Option(names = "--all", description = "Show every problem, not the first " + SHOWN + ".")
  private boolean all;

  @Override
  public Integer call() {
    RecordOptions options = data.records();
    Optional<String> hint = Records.hint(file, options).map(words -> file + ": " + words);
    Labels labels = data.declaredLabels().orElseGet(() -> found(options, hint));
    Records.Findings findings = worstFirst(Records.check(file, options, labels));
    Map<String, Object> fields = fields(labels, findings);
    hint.ifPresent(line -> fields.put("hint", line));
    print(fields, hint.map(line -> line + "\n").orElse("") + text(labels, findings));
    return ExitCode.DONE;
  }

  /** What is only repaired or pointed out must not push what is dropped off the screen. */
  private static Records.Findings worstFirst(Records.Findings findings) {
    List<Problem> problems = new ArrayList<>(findings.problems());
    problems.sort(Comparator.comparing(problem -> !problem.kind().drops()));
    return new Records.Findings(findings.usable(), problems);
  }

  /** The labels in the file; where there are none, a file of another kind is the likelier cause. */
  private Labels found(RecordOptions options, Optional<String> hint) {
    try {
      return Labels.fromData(file, options);
    } catch (InputException e) {
      throw hint.map(InputException::new).orElse(e);
    }
  }

  private Map<String, Object> fields(Labels labels, Records.Findings findings) {
    List<Problem> problems = findings.problems();
    List<Map<String, Object>> rows = new ArrayList<>();
    for (Problem problem : problems.subList(0, shown(problems))) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("line", problem.line());
      row.put("rule", problem.kind().rule());
      row.put("dropped", problem.kind().drops());
      rows.add(row);
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("private", true);
    fields.put("note", PRIVATE_FIGURES);
    fields.put("labels", labels.names());
    fields.put("usableRecords", findings.usable());
    fields.put("counts", counts(problems));
    fields.put("problems", rows);
    return fields;
  }

  private String text(Labels labels, Records.Findings findings) {
    List<Problem> problems = findings.problems();
    StringBuilder text = new StringBuilder(PRIVATE_FIGURES + "\n");
    text.append("labels: ").append(String.join(", ", labels.names())).append('\n');
    text.append("usable records: ").append(findings.usable()).append('\n');
    if (problems.isEmpty()) {
      return text + "no problem found: a private run would use every record as it is";
    }
    problems.subList(0, shown(problems)).forEach(problem -> text.append(problem).append('\n'));
    if (shown(problems) < problems.size()) {
      text.append("... and %d more (--all shows them)%n".formatted(problems.size() - SHOWN));
    }
    text.append("in all:\n");
    counts(problems).forEach((rule, count) -> text.append("%7d  %s%n".formatted(count, rule)));
    return text.toString();
  }

  private int shown(List<Problem> problems) {
    return all ? problems.size() : Math.min(SHOWN, problems.size());
  }

  private static Map<String, Integer> counts(List<Problem> problems) {
    Map<String, Integer> counts = new TreeMap<>();
    problems.forEach(problem -> counts.merge(problem.kind().rule(), 1, Integer::sum));
    return counts;
  }
}
