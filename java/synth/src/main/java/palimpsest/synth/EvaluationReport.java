package palimpsest.synth;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Function;
import palimpsest.engine.weights.Sha256;
import palimpsest.synth.evaluate.Copying;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.Downstream;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Likeness;
import palimpsest.synth.evaluate.Perplexity;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.evaluate.RankAgreement;
import palimpsest.synth.evaluate.TextDivergence;
import palimpsest.synth.evaluate.TextStatistics;
import palimpsest.synth.report.Block;
import palimpsest.synth.report.HtmlReport;
import palimpsest.synth.report.Lengths;
import palimpsest.synth.report.Section;
import palimpsest.synth.text.InputException;

/**
 * A synthetic set beside real records, as a report for their owner alone; with it, what its release
 * says, if the set lies in one.
 */
public final class EvaluationReport {
  private EvaluationReport() {}

  /**
   * All that was found.
   *
   * @param downstream what classifiers learn, if there were records to test them on
   * @param ranking whether settings are ranked alike on synthetic and on real records
   * @param likeness by embeddings
   * @param perplexity of the synthetic texts and of as many real ones
   */
  public record Findings(
      Evaluation evaluation,
      Optional<Downstream> downstream,
      Optional<RankAgreement> ranking,
      Optional<Likeness> likeness,
      Optional<PerplexityPair> perplexity) {}

  /**
   * Perplexities under one model.
   *
   * @param model its name
   */
  public record PerplexityPair(String model, Perplexity synthetic, Perplexity real) {}

  /**
   * Where figures come from.
   *
   * @param files every file that they follow from, by what it was used for
   * @param facts what else would be needed to find them again: command, program, seeds
   */
  public record Sources(Map<String, Path> files, Map<String, String> facts) {}

  /**
   * The report.
   *
   * @param file of the synthetic records
   * @param synthetic its records
   * @param real those that they were set beside
   */
  public static HtmlReport of(
      Path file, LabelledTexts synthetic, LabelledTexts real, Findings findings, Sources sources) {
    List<String> promise = new ArrayList<>();
    List<Section> sections = new ArrayList<>();
    sections.add(utility(findings));
    sections.add(shape(synthetic, real, findings));
    sections.add(copying(findings.evaluation()));
    Path folder = file.toAbsolutePath().getParent();
    if (isRelease(folder)) {
      ReleaseReport release = ReleaseReport.read(folder);
      promise.addAll(release.promise());
      sections.addAll(release.sections());
    } else {
      promise.add("No privacy statement lies beside these records.");
    }
    sections.add(sources(sources));
    return new HtmlReport(
        HtmlReport.Edition.INTERNAL,
        "Synthetic records beside real ones: " + file.getFileName(),
        promise,
        sections);
  }

  /** Whether a folder is one that is passed on: nothing private may be written there. */
  public static boolean isRelease(Path folder) {
    return folder != null
        && Files.exists(folder.resolve(Synthesis.STATEMENT_JSON))
        && Files.exists(folder.resolve(Synthesis.STATEMENT_TEXT));
  }

  private static Section utility(Findings findings) {
    Evaluation evaluation = findings.evaluation();
    List<Block> blocks = new ArrayList<>();
    findings
        .downstream()
        .ifPresent(downstream -> {
          blocks.add(accuracies(downstream));
          blocks.add(scores(downstream));
        });
    findings.ranking().ifPresent(ranking -> blocks.add(ranking(ranking)));
    List<Block.Bar> agreement = new ArrayList<>();
    evaluation
        .ofTest()
        .ifPresent(
            test -> agreement.add(bar("real test records", test.overall(), Block.Side.REAL)));
    agreement.add(bar("all labels", evaluation.agreement().overall(), Block.Side.SYNTHETIC));
    evaluation
        .agreement()
        .byLabel()
        .forEach((label, share) -> agreement.add(bar(label, share, Block.Side.SYNTHETIC)));
    blocks.add(
        new Block.Bars(
            "Synthetic texts whose label a judge finds that was trained on real records",
            1,
            agreement));
    return new Section(
        "Is it of use",
        "What classifiers learn from the synthetic records, and whether their texts fit their labels.",
        blocks);
  }

  private static Block accuracies(Downstream downstream) {
    List<Block.Bar> bars = new ArrayList<>();
    for (Downstream.Row row : downstream.rows()) {
      bars.add(
          bar(
              row.classifier() + ", " + words(row.source()),
              row.accuracy(),
              row.source() == Downstream.Source.SYNTHETIC
                  ? Block.Side.SYNTHETIC
                  : Block.Side.REAL));
    }
    return new Block.Bars(
        "Of %d real test records, the share that a classifier labels rightly (means over the seeds, 95 %% intervals of the test)"
            .formatted(downstream.test()),
        1,
        bars);
  }

  private static Block scores(Downstream downstream) {
    List<List<String>> rows = new ArrayList<>();
    for (Downstream.Row row : downstream.rows()) {
      rows.add(
          List.of(
              row.classifier() + ", " + words(row.source()),
              Integer.toString(row.records()),
              decimal(row.accuracy().value()),
              row.runs().size() == 1 ? "one run" : decimal(row.deviation()),
              decimal(row.macroF1())));
    }
    return new Block.Table(
        List.of("", "trained on", "accuracy", "deviation of a run", "macro F1"), rows);
  }

  /** What a classifier was trained on. */
  public static String words(Downstream.Source source) {
    return switch (source) {
      case REAL -> "real records";
      case SYNTHETIC -> "synthetic records";
      case PRIVATE -> "real records, privately";
    };
  }

  private static Block ranking(RankAgreement ranking) {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put(
        "Settings of the word network ranked on both sets",
        Integer.toString(ranking.configurations()));
    facts.put("Spearman's rho", decimal(ranking.spearman()));
    facts.put("Kendall's tau", decimal(ranking.kendall()));
    facts.put(
        "Overlap of the best " + ranking.depth() + " (rank-biased)",
        decimal(ranking.rankBiasedOverlap()));
    return new Block.Facts(facts);
  }

  private static Block.Bar bar(String name, Proportion share, Block.Side side) {
    return new Block.Bar(
        name,
        share.value(),
        OptionalDouble.of(share.lower()),
        OptionalDouble.of(share.upper()),
        side);
  }

  private static Section shape(LabelledTexts synthetic, LabelledTexts real, Findings findings) {
    Evaluation evaluation = findings.evaluation();
    Map<Block.Side, int[]> lengths = new LinkedHashMap<>();
    lengths.put(Block.Side.REAL, ReleaseReport.lengths(real));
    lengths.put(Block.Side.SYNTHETIC, ReleaseReport.lengths(synthetic));
    return new Section(
        "Does it look alike",
        "Lengths, labels and words of both sets. Figures of variety are of as many real texts as there are synthetic"
            + " ones.",
        List.of(
            Lengths.of("Words", lengths),
            labels(synthetic, real),
            new Block.Table(
                List.of("", "synthetic", "real"),
                List.of(
                    row("words a text, median", evaluation, s -> s.words().median()),
                    row(
                        "words a text, 95 % have at most",
                        evaluation, s -> s.words().ninetyFivePercent()),
                    variety("distinct words over words", evaluation, Diversity::distinct1),
                    variety("distinct pairs over pairs", evaluation, Diversity::distinct2),
                    row("distinct triples over triples", evaluation, TextStatistics::distinct3),
                    row(
                        "runs of four words that come again in a text",
                        evaluation,
                        TextStatistics::repetition4))),
            new Block.Facts(distances(findings))));
  }

  private static Map<String, String> distances(Findings findings) {
    Map<String, String> facts = new LinkedHashMap<>();
    TextDivergence divergence = findings.evaluation().divergence();
    facts.put(
        "Divergence of the words, in bits (0 alike, 1 nothing in common)",
        decimal(divergence.words()));
    facts.put("Divergence of pairs of words", decimal(divergence.wordPairs()));
    facts.put("Divergence of the lengths", decimal(divergence.lengths()));
    findings
        .likeness()
        .ifPresent(likeness -> {
          facts.put(
              "MAUVE against real texts, %d each (1 alike)".formatted(likeness.texts()),
              decimal(likeness.synthetic().smoothed()));
          facts.put("MAUVE of as many other real texts", decimal(likeness.real().smoothed()));
        });
    findings
        .perplexity()
        .ifPresent(pair ->
            facts.put(
                "Perplexity under " + pair.model(),
                "%s; of real texts %s"
                    .formatted(decimal(pair.synthetic().value()), decimal(pair.real().value()))));
    return facts;
  }

  @FunctionalInterface
  private interface Figure<T> {
    double of(T measured);
  }

  private static List<String> row(
      String name, Evaluation evaluation, Figure<TextStatistics> figure) {
    return List.of(
        name,
        decimal(figure.of(evaluation.statistics())),
        decimal(figure.of(evaluation.realStatistics())));
  }

  private static List<String> variety(
      String name, Evaluation evaluation, Figure<Diversity> figure) {
    return List.of(
        name,
        decimal(figure.of(evaluation.diversity())),
        decimal(figure.of(evaluation.realDiversity())));
  }

  private static Block.Columns labels(LabelledTexts synthetic, LabelledTexts real) {
    Map<String, double[]> shares = new TreeMap<>();
    count(real, 0, shares);
    count(synthetic, 1, shares);
    Map<Block.Side, double[]> sides = new LinkedHashMap<>();
    sides.put(Block.Side.REAL, shares.values().stream().mapToDouble(s -> s[0]).toArray());
    sides.put(Block.Side.SYNTHETIC, shares.values().stream().mapToDouble(s -> s[1]).toArray());
    return new Block.Columns("Labels", List.copyOf(shares.keySet()), sides);
  }

  private static void count(LabelledTexts texts, int side, Map<String, double[]> shares) {
    for (String label : texts.labels()) {
      shares.computeIfAbsent(label, _ -> new double[2])[side] += 1.0 / texts.size();
    }
  }

  private static Section copying(Evaluation evaluation) {
    List<Block> blocks = new ArrayList<>();
    evaluation
        .copied()
        .ifPresent(copied ->
            blocks.add(
                new Block.Table(
                    List.of(
                        "Of the records that the model was tuned on",
                        "synthetic texts",
                        "real ones held out"),
                    rows(copied.bySynthetic(), copied.byReal()))));
    evaluation
        .known()
        .ifPresent(known ->
            blocks.add(
                new Block.Table(
                    List.of("Of the base model's training text", "records that were tuned on"),
                    rows(known))));
    Copying repeated = evaluation.repeated();
    blocks.add(new Block.Table(List.of("Of each other", "synthetic texts"), rows(repeated)));
    return new Section(
        "What is copied",
        "Texts that repeat another one word for word. Real texts share set phrases too, so set the two columns side by"
            + " side. Dropping records by these figures before they are released would void the guarantee.",
        blocks);
  }

  private static List<List<String>> rows(Copying... sets) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(cells("equal but for white space", sets, c -> share(c.exact())));
    rows.add(cells("equal or nearly (Jaccard index of at least 0.8)", sets, c -> share(c.near())));
    rows.add(
        cells(
            "with a run of at least " + Copying.LONG_RUN + " words",
            sets,
            c -> share(c.withLongRun())));
    rows.add(cells("words of the longest run", sets, c -> Integer.toString(c.longestRun())));
    return rows;
  }

  private static List<String> cells(String name, Copying[] sets, Function<Copying, String> cell) {
    List<String> cells = new ArrayList<>(List.of(name));
    for (Copying set : sets) {
      cells.add(cell.apply(set));
    }
    return cells;
  }

  private static String share(Proportion share) {
    return share.successes() + " of " + share.trials();
  }

  private static Section sources(Sources sources) {
    Map<String, String> facts = new LinkedHashMap<>(sources.facts());
    sources
        .files()
        .forEach((use, file) -> {
          try {
            facts.put(use, file.getFileName() + ", SHA-256 " + Sha256.of(file));
          } catch (IOException e) {
            throw InputException.unreadable(file.toString(), e);
          }
        });
    return new Section(
        "Where the figures come from",
        "The same command on the same files finds the same figures, but for those of private training, whose noise is"
            + " new each time.",
        List.of(new Block.Facts(facts)));
  }

  private static String decimal(double value) {
    return Double.isNaN(value) ? "none" : String.format(Locale.ROOT, "%.3f", value);
  }
}
