package palimpsest.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.EvaluationReport;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.Synthesis;
import palimpsest.synth.SynthesisListener;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.report.HtmlReport;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.PublicText;
import palimpsest.synth.text.RecordOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Sets a synthetic file beside real records that its model was not tuned on. */
@Command(
    name = "evaluate",
    description = {
      "How good a synthetic file is: what classifiers trained on it make of real records, beside those trained on the"
          + " real ones; whether a judge trained on real held-out records finds the label that each text was written"
          + " for; how varied the texts are, how far from real ones, and what they have word for word from each other.",
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
      description =
          "Real records that the model was not tuned on; they train the judge, and classifiers are tested on them"
              + " where --tuned-on is given and --test is not.")
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
          "The private records that the model was tuned on: classifiers are trained on them too, and what the"
              + " synthetic texts have from them word for word is counted.")
  private Path tuned;

  @Option(
      names = "--base-text",
      split = ",",
      paramLabel = "FILE",
      description =
          "Text that the base model was trained on, .gz or not: what it has from the private records is counted.")
  private List<Path> baseText = List.of();

  @Option(
      names = "--separator",
      paramLabel = "LINE",
      description = "A line that stands between documents of --base-text.")
  private String separator;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Write a page with charts too; it is for the owner's eyes as the figures are.")
  private Path report;

  @Mixin private MeasureOptions measures;

  @Mixin private DataOptions data;

  @Override
  public Integer call() {
    if (!data.hasLabel()) {
      throw new InputException("--label: name the column of the label, which is what is judged");
    }
    if (!baseText.isEmpty() && tuned == null) {
      throw new InputException("--base-text: name the private records too, by --tuned-on");
    }
    refuseInRelease();
    Labels labels = data.declaredLabels().orElseGet(() -> Labels.fromData(real, data.records()));
    RecordOptions written =
        RecordOptions.of(List.of(Synthesis.TEXT_COLUMN), Synthesis.LABEL_COLUMN);
    LabelledTexts made = LabelledTexts.read(synthetic, written, labels);
    LabelledTexts held = LabelledTexts.read(real, data.records(), labels);
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      EvaluationReport.Findings findings = findings(made, held, labels, listener);
      listener.close();
      if (report != null) {
        HtmlReport page = EvaluationReport.of(synthetic, made, held, findings, sources());
        AtomicFiles.file(report, page.html().getBytes(StandardCharsets.UTF_8));
      }
      EvaluationText text = new EvaluationText(findings);
      print(text.fields(), text.text());
    }
    return ExitCode.DONE;
  }

  private EvaluationReport.Findings findings(
      LabelledTexts made, LabelledTexts held, Labels labels, SynthesisListener listener) {
    Optional<LabelledTexts> further = texts(test, labels);
    Optional<LabelledTexts> own = texts(tuned, labels);
    Evaluation evaluation = Evaluation.of(made, held, further, own, baseTexts());
    // Never tested on what was trained on.
    Optional<LabelledTexts> tested = further.or(() -> own.map(_ -> held));
    MeasureOptions.Sets sets =
        new MeasureOptions.Sets(made, own.orElse(held), held, tested, labels, price(own));
    return measures.findings(evaluation, sets, listener, this::say);
  }

  /** What private training of a classifier may cost, if there is a release to set it beside. */
  private Optional<ReleaseReport.Price> price(Optional<LabelledTexts> own) {
    Path folder = synthetic.toAbsolutePath().getParent();
    return own.isPresent() && EvaluationReport.isRelease(folder)
        ? ReleaseReport.price(folder)
            .filter(price -> price.mechanism().unit() == ProtectedUnit.RECORD)
        : Optional.empty();
  }

  private Optional<LabelledTexts> texts(Path file, Labels labels) {
    return Optional.ofNullable(file).map(f -> LabelledTexts.read(f, data.records(), labels));
  }

  private List<String> baseTexts() {
    List<String> texts = new ArrayList<>();
    for (Path file : baseText) {
      for (byte[] document : PublicText.documents(file, Optional.ofNullable(separator))) {
        texts.add(new String(document, StandardCharsets.UTF_8));
      }
    }
    return texts;
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

  private EvaluationReport.Sources sources() {
    Map<String, Path> files = new LinkedHashMap<>();
    files.put("Synthetic records", synthetic);
    files.put("Real records", real);
    if (test != null) {
      files.put("Test records", test);
    }
    if (tuned != null) {
      files.put("Records that the model was tuned on", tuned);
    }
    for (Path file : baseText) {
      files.put("Text of the base model " + (1 + files.size()), file);
    }
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("Command", commandLine());
    facts.put("Program", Main.program());
    measures.facts().forEach(facts::put);
    return new EvaluationReport.Sources(files, facts);
  }
}
