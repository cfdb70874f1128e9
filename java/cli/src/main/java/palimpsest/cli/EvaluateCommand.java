package palimpsest.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.EvaluationReport;
import palimpsest.synth.Synthesis;
import palimpsest.synth.evaluate.Copying;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.report.HtmlReport;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Sets a synthetic file beside real records that its model was not tuned on. */
@Command(
    name = "evaluate",
    description = {
      "How good a synthetic file is: whether a judge trained on real held-out records finds the label that each text"
          + " was written for, what a classifier trained on the synthetic file makes of real records, and how varied"
          + " the texts are, how far from real ones, and what they have word for word from each other.",
      "The figures follow from the real records and no epsilon covers them: they are for the owner's eyes."
    },
    footer = {
      "",
      "Example: palimpsest evaluate synthetic-tickets/synthetic.jsonl --real heldout.csv --text body --label queue \\",
      "           --tuned-on tickets.csv --report internal.html"
    })
final class EvaluateCommand extends Verb {
  @Parameters(
      paramLabel = "SYNTHETIC",
      description = "What synthesize or sample wrote, .jsonl or .csv.")
  private Path synthetic;

  @Option(
      names = "--real",
      required = true,
      paramLabel = "FILE",
      description = "Real records that the model was not tuned on; they train the judge.")
  private Path real;

  @Option(
      names = "--test",
      paramLabel = "FILE",
      description = "More real records, in the same format, that classifiers are tested on.")
  private Path test;

  @Option(
      names = "--tuned-on",
      paramLabel = "FILE",
      description =
          "The private records that the model was tuned on: what the synthetic texts have word for word from them.")
  private Path tuned;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Write a page with charts too; it is for the owner's eyes as the figures are.")
  private Path report;

  @Mixin private DataOptions data;

  @Override
  public Integer call() {
    if (!data.hasLabel()) {
      throw new InputException("--label: name the column of the label, which is what is judged");
    }
    Labels labels = data.declaredLabels().orElseGet(() -> Labels.fromData(real, data.records()));
    RecordOptions written =
        RecordOptions.of(List.of(Synthesis.TEXT_COLUMN), Synthesis.LABEL_COLUMN);
    refuseInRelease();
    LabelledTexts made = LabelledTexts.read(synthetic, written, labels);
    LabelledTexts held = LabelledTexts.read(real, data.records(), labels);
    Evaluation evaluation = Evaluation.of(made, held, texts(test, labels), texts(tuned, labels));
    if (report != null) {
      HtmlReport page = EvaluationReport.of(synthetic, made, held, evaluation, sources());
      AtomicFiles.file(report, page.html().getBytes(StandardCharsets.UTF_8));
    }
    print(fields(evaluation), text(evaluation));
    return ExitCode.DONE;
  }

  private Optional<LabelledTexts> texts(Path file, Labels labels) {
    return Optional.ofNullable(file).map(f -> LabelledTexts.read(f, data.records(), labels));
  }

  /** What follows from real records never lies among what is passed on. */
  private void refuseInRelease() {
    if (report == null) {
      return;
    }
    Synthesis.refuseExisting(report);
    Path folder = report.toAbsolutePath().normalize().getParent();
    if (EvaluationReport.isRelease(folder)) {
      throw new InputException(
          "--report: " + folder + " is a release, and the page is private; write it elsewhere");
    }
  }

  private Map<String, Path> sources() {
    Map<String, Path> sources = new LinkedHashMap<>();
    sources.put("Synthetic records", synthetic);
    sources.put("Real records", real);
    if (test != null) {
      sources.put("Test records", test);
    }
    if (tuned != null) {
      sources.put("Records that the model was tuned on", tuned);
    }
    return sources;
  }

  private static Map<String, Object> fields(Evaluation evaluation) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("private", true);
    fields.put("note", PRIVATE_FIGURES);
    fields.put("records", evaluation.synthetic());
    fields.put("realRecords", evaluation.real());
    fields.put("labelAgreement", fields(evaluation.agreement().overall()));
    Map<String, Object> byLabel = new LinkedHashMap<>();
    evaluation.agreement().byLabel().forEach((label, share) -> byLabel.put(label, fields(share)));
    fields.put("labelAgreementByLabel", byLabel);
    evaluation
        .test()
        .ifPresent(result -> {
          fields.put("labelAgreementOfReal", result.agreement().meanOfLabels());
          fields.put("trainedOnReal", fields(result.trainedOnReal()));
          fields.put("trainedOnSynthetic", fields(result.trainedOnSynthetic()));
        });
    fields.put("diversity", fields(evaluation.diversity()));
    fields.put("realDiversity", fields(evaluation.realDiversity()));
    fields.put("statistics", evaluation.statistics());
    fields.put("realStatistics", evaluation.realStatistics());
    fields.put("divergence", evaluation.divergence());
    fields.put("repeated", fields(evaluation.repeated()));
    evaluation
        .copied()
        .ifPresent(copied -> {
          fields.put("copied", fields(copied.bySynthetic()));
          fields.put("copiedByReal", fields(copied.byReal()));
        });
    return fields;
  }

  private static Map<String, Object> fields(Copying copying) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("exact", fields(copying.exact()));
    fields.put("near", fields(copying.near()));
    fields.put("withLongRun", fields(copying.withLongRun()));
    fields.put("longRuns", copying.longRuns());
    fields.put("longestRun", copying.longestRun());
    return fields;
  }

  private static Map<String, Object> fields(Proportion share) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("value", share.value());
    fields.put("lower", share.lower());
    fields.put("upper", share.upper());
    return fields;
  }

  private static Map<String, Object> fields(Diversity diversity) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("texts", diversity.texts());
    fields.put("distinct1", diversity.distinct1());
    fields.put("distinct2", diversity.distinct2());
    fields.put("duplicateShare", diversity.duplicateShare());
    fields.put("selfRepetition", diversity.selfRepetition());
    fields.put("meanWords", diversity.meanWords());
    return fields;
  }

  private static String text(Evaluation evaluation) {
    StringBuilder text = new StringBuilder(PRIVATE_FIGURES + "\n");
    text.append(
        "%d synthetic records; the judge is naive Bayes trained on %d real ones; intervals are 95 %%.%n%n"
            .formatted(evaluation.synthetic(), evaluation.real()));
    row(text, "label agreement", evaluation.agreement().overall());
    evaluation.agreement().byLabel().forEach((label, share) -> row(text, "  " + label, share));
    evaluation
        .test()
        .ifPresent(result -> {
          text.append(
              String.format(
                  Locale.ROOT,
                  "%-36s %9.3f, the mean over labels%n",
                  "label agreement of test records",
                  result.agreement().meanOfLabels()));
          row(text, "test records, trained on real", result.trainedOnReal());
          row(text, "test records, trained on synthetic", result.trainedOnSynthetic());
        });
    Diversity made = evaluation.diversity();
    Diversity real = evaluation.realDiversity();
    text.append("%n%-36s %9s %9s%n".formatted("", "synthetic", "real"));
    text.append("%-36s %9d %9d%n".formatted("texts", made.texts(), real.texts()));
    row(text, "words in a text", made.meanWords(), real.meanWords());
    row(text, "distinct words", made.distinct1(), real.distinct1());
    row(text, "distinct word pairs", made.distinct2(), real.distinct2());
    row(text, "exact duplicates", made.duplicateShare(), real.duplicateShare());
    row(text, "texts that run in circles", made.selfRepetition(), real.selfRepetition());
    row(
        text,
        "words in the median text",
        evaluation.statistics().words().median(),
        evaluation.realStatistics().words().median());
    text.append(
        String.format(
            Locale.ROOT,
            "%-36s %9.3f bits of 1 (pairs of words %.3f, lengths %.3f)%n",
            "divergence of the words",
            evaluation.divergence().words(),
            evaluation.divergence().wordPairs(),
            evaluation.divergence().lengths()));
    copied(text, "repeated among themselves", evaluation.repeated());
    evaluation
        .copied()
        .ifPresent(copied -> {
          copied(text, "copied from what was tuned on", copied.bySynthetic());
          copied(text, "  the same of real held-out texts", copied.byReal());
        });
    return text.toString();
  }

  private static void copied(StringBuilder text, String what, Copying copying) {
    text.append(
        "%-36s %d equal, %d nearly, %d with a run of %d words; longest run %d%n"
            .formatted(
                what,
                copying.exact().successes(),
                copying.near().successes(),
                copying.withLongRun().successes(),
                Copying.LONG_RUN,
                copying.longestRun()));
  }

  private static void row(StringBuilder text, String what, Proportion share) {
    text.append(
        String.format(
            Locale.ROOT,
            "%-36s %9.3f [%.3f, %.3f]%n",
            what,
            share.value(),
            share.lower(),
            share.upper()));
  }

  private static void row(StringBuilder text, String what, double made, double real) {
    text.append(String.format(Locale.ROOT, "%-36s %9.3f %9.3f%n", what, made, real));
  }
}
