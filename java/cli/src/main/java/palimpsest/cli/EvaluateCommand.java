package palimpsest.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import palimpsest.synth.Synthesis;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Proportion;
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
          + " the texts are.",
      "The figures follow from the real records and no epsilon covers them: they are for the owner's eyes."
    },
    footer = {
      "",
      "Example: palimpsest evaluate synthetic-tickets/synthetic.jsonl --real heldout.csv --text body --label queue"
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

  @Mixin private DataOptions data;

  @Override
  public Integer call() {
    if (!data.hasLabel()) {
      throw new InputException("--label: name the column of the label, which is what is judged");
    }
    Labels labels = data.declaredLabels().orElseGet(() -> Labels.fromData(real, data.records()));
    RecordOptions written =
        RecordOptions.of(List.of(Synthesis.TEXT_COLUMN), Synthesis.LABEL_COLUMN);
    Evaluation evaluation =
        Evaluation.of(
            LabelledTexts.read(synthetic, written, labels),
            LabelledTexts.read(real, data.records(), labels),
            Optional.ofNullable(test)
                .map(file -> LabelledTexts.read(file, data.records(), labels)));
    print(fields(evaluation), text(evaluation));
    return ExitCode.DONE;
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
    return text.toString();
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
