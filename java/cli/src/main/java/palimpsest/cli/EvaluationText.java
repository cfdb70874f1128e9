package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import palimpsest.synth.EvaluationReport;
import palimpsest.synth.evaluate.Copying;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.Downstream;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.Proportion;

/** A synthetic set beside real records, as it is shown. */
record EvaluationText(EvaluationReport.Findings findings) {
  Map<String, Object> fields() {
    Evaluation evaluation = findings.evaluation();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("private", true);
    fields.put("note", Verb.PRIVATE_FIGURES);
    fields.put("records", evaluation.synthetic());
    fields.put("realRecords", evaluation.real());
    fields.put("labelAgreement", fields(evaluation.agreement().overall()));
    Map<String, Object> byLabel = new LinkedHashMap<>();
    evaluation.agreement().byLabel().forEach((label, share) -> byLabel.put(label, fields(share)));
    fields.put("labelAgreementByLabel", byLabel);
    evaluation.ofTest().ifPresent(test -> fields.put("labelAgreementOfReal", test.meanOfLabels()));
    findings
        .downstream()
        .ifPresent(downstream -> {
          fields.put("testRecords", downstream.test());
          fields.put(
              "classifiers", downstream.rows().stream().map(EvaluationText::fields).toList());
        });
    findings.ranking().ifPresent(ranking -> fields.put("ranking", ranking));
    findings.likeness().ifPresent(likeness -> fields.put("mauve", likeness));
    findings
        .perplexity()
        .ifPresent(pair ->
            fields.put(
                "perplexity",
                Map.of(
                    "model", pair.model(),
                    "synthetic", pair.synthetic().value(),
                    "real", pair.real().value())));
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
    evaluation.known().ifPresent(known -> fields.put("knownToTheBaseModel", fields(known)));
    return fields;
  }

  private static Map<String, Object> fields(Downstream.Row row) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("classifier", row.classifier());
    fields.put("trainedOn", row.source().name().toLowerCase(Locale.ROOT));
    fields.put("records", row.records());
    fields.put("accuracy", fields(row.accuracy()));
    fields.put("deviation", row.deviation());
    fields.put("macroF1", row.macroF1());
    fields.put("runs", row.runs().stream().map(run -> run.accuracy().value()).toList());
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

  String text() {
    Evaluation evaluation = findings.evaluation();
    StringBuilder text = new StringBuilder(Verb.PRIVATE_FIGURES + "\n");
    text.append(
        "%d synthetic records; the judge is naive Bayes trained on %d real ones; intervals are 95 %%.%n%n"
            .formatted(evaluation.synthetic(), evaluation.real()));
    findings.downstream().ifPresent(downstream -> classifiers(text, downstream));
    findings
        .ranking()
        .ifPresent(ranking ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "%-36s rho %.3f, tau %.3f, overlap of the best %d %.3f%n%n",
                    "ranks of %d settings, both sets".formatted(ranking.configurations()),
                    ranking.spearman(),
                    ranking.kendall(),
                    ranking.depth(),
                    ranking.rankBiasedOverlap())));
    row(text, "label agreement", evaluation.agreement().overall());
    evaluation.agreement().byLabel().forEach((label, share) -> row(text, "  " + label, share));
    evaluation
        .ofTest()
        .ifPresent(test ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "%-36s %9.3f, the mean over labels%n",
                    "label agreement of test records",
                    test.meanOfLabels())));
    shape(text, evaluation);
    distances(text, evaluation);
    copied(text, "repeated among themselves", evaluation.repeated());
    evaluation
        .copied()
        .ifPresent(copied -> {
          copied(text, "copied from what was tuned on", copied.bySynthetic());
          copied(text, "  the same of real held-out texts", copied.byReal());
        });
    evaluation
        .known()
        .ifPresent(known -> copied(text, "of what was tuned on, in base text", known));
    return text.toString();
  }

  private static void classifiers(StringBuilder text, Downstream downstream) {
    text.append(
        "Classifiers, tested on %d real records that they were not trained on:%n"
            .formatted(downstream.test()));
    for (Downstream.Row row : downstream.rows()) {
      Proportion accuracy = row.accuracy();
      OptionalDouble share = downstream.shareOfReal(row.classifier(), row.source());
      text.append(
          String.format(
              Locale.ROOT,
              "%-36s %9.3f [%.3f, %.3f]%s%s%n",
              row.classifier() + ", " + EvaluationReport.words(row.source()),
              accuracy.value(),
              accuracy.lower(),
              accuracy.upper(),
              row.runs().size() == 1 ? "" : " runs differ by %.3f".formatted(row.deviation()),
              row.source() == Downstream.Source.REAL || share.isEmpty()
                  ? ""
                  : ", %.2f of real".formatted(share.getAsDouble())));
    }
    text.append('\n');
  }

  private static void shape(StringBuilder text, Evaluation evaluation) {
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
  }

  private void distances(StringBuilder text, Evaluation evaluation) {
    text.append(
        String.format(
            Locale.ROOT,
            "%-36s %9.3f bits of 1 (pairs of words %.3f, lengths %.3f)%n",
            "divergence of the words",
            evaluation.divergence().words(),
            evaluation.divergence().wordPairs(),
            evaluation.divergence().lengths()));
    findings
        .likeness()
        .ifPresent(likeness ->
            row(
                text,
                "MAUVE, %d texts each".formatted(likeness.texts()),
                likeness.synthetic().smoothed(),
                likeness.real().smoothed()));
    findings
        .perplexity()
        .ifPresent(pair ->
            row(
                text,
                "perplexity under " + pair.model(),
                pair.synthetic().value(),
                pair.real().value()));
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
