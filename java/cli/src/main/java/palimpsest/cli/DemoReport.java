package palimpsest.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import palimpsest.synth.Synthesis;
import palimpsest.synth.SyntheticRecord;
import palimpsest.synth.demo.DemoData;
import palimpsest.synth.demo.Secret;
import palimpsest.synth.evaluate.Exposure;
import palimpsest.synth.evaluate.LabelAgreement;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.evaluate.SecretScan;
import palimpsest.synth.text.Labels;

/** What the demo shows of its run. */
record DemoReport(
    String model,
    Labels labels,
    Synthesis.Outcome outcome,
    Path input,
    LabelAgreement agreement,
    Proportion trainedOnReal,
    Proportion trainedOnSynthetic,
    Exposure exposure,
    SecretScan scan) {
  private static final String STORED = "non-private-exposure.properties";

  static DemoReport of(
      String model,
      DemoData data,
      Labels labels,
      Synthesis.Outcome outcome,
      Path input,
      Exposure exposure) {
    LabelledTexts held = texts(data.heldOut());
    LabelledTexts made =
        new LabelledTexts(
            outcome.records().stream().map(SyntheticRecord::text).toList(),
            outcome.records().stream().map(record -> labels.name(record.label())).toList());
    return new DemoReport(
        model,
        labels,
        outcome,
        input,
        LabelAgreement.of(held.judge(), made.texts(), made.labels()),
        texts(data.messages()).judge().accuracy(held.texts(), held.labels()),
        made.judge().accuracy(held.texts(), held.labels()),
        exposure,
        SecretScan.of(data.secrets().stream().map(Secret::text).toList(), made.texts()));
  }

  private static LabelledTexts texts(List<DemoData.Message> messages) {
    return new LabelledTexts(
        messages.stream().map(DemoData.Message::text).toList(),
        messages.stream().map(DemoData.Message::label).toList());
  }

  Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("statement", outcome.statement().content());
    fields.put("records", outcome.records().size());
    fields.put("labelAgreement", agreement.overall().value());
    fields.put("accuracyTrainedOnReal", trainedOnReal.value());
    fields.put("accuracyTrainedOnSynthetic", trainedOnSynthetic.value());
    fields.put("meanExposureBits", exposure.mean());
    fields.put("maxExposureBits", exposure.max());
    fields.put("exposurePValue", exposure.combinedPValue());
    fields.put("secretsInOutput", scan.leaked().successes());
    fields.put("folder", outcome.folder().toString());
    return fields;
  }

  String text() {
    return "%s%n%s%n%s%nLook at %s, %s and the input in %s."
        .formatted(
            oneALabel(),
            judged(),
            outcome.statement().text(),
            outcome.folder().resolve(Synthesis.RECORDS_JSONL),
            outcome.folder().resolve(Synthesis.STATEMENT_TEXT),
            input);
  }

  private String oneALabel() {
    StringBuilder text = new StringBuilder("One message a label, the first that was written:\n\n");
    for (int label = 0; label < labels.size(); label++) {
      int wanted = label;
      outcome.records().stream()
          .filter(record -> record.label() == wanted)
          .findFirst()
          .ifPresent(
              record -> text.append("  %-9s %s%n".formatted(labels.name(wanted), record.text())));
    }
    return text.toString();
  }

  private String judged() {
    StringBuilder text = new StringBuilder();
    text.append(
        "A judge trained on 1,000 held-out real messages agrees with the label of %.0f %% (95 %% interval %.0f to %.0f).%n"
            .formatted(
                100 * agreement.overall().value(),
                100 * agreement.overall().lower(),
                100 * agreement.overall().upper()));
    text.append(
        "Of the held-out messages a classifier labels %.0f %% rightly if it was trained on the synthetic ones, %.0f %% if on the 5,000 real ones.%n%n"
            .formatted(100 * trainedOnSynthetic.value(), 100 * trainedOnReal.value()));
    text.append(
        "The 30 planted secrets, each among 1,000 decoys, in bits of exposure (0 to 10; 1.44 is chance):%n"
            .formatted());
    text.append(
        "  this run          mean %.2f, largest %.2f; chance would give ranks this low with p = %.2g%n"
            .formatted(exposure.mean(), exposure.max(), exposure.combinedPValue()));
    stored().ifPresent(line -> text.append("  without privacy   ").append(line).append('\n'));
    text.append("  found word for word in the output: %d%n".formatted(scan.leaked().successes()));
    text.append(
        "So short a run scarcely learns a text that it sees once, even without privacy; what bounds every other attack is the statement below.%n"
            .formatted());
    return text.toString();
  }

  /** What the same run without noise showed, measured when the demo was made. */
  private Optional<String> stored() {
    try (InputStream in = DemoReport.class.getResourceAsStream(STORED)) {
      Properties properties = new Properties();
      properties.load(in);
      String mean = properties.getProperty(model + ".mean");
      return mean == null
          ? Optional.empty()
          : Optional.of(
              "mean %s, largest %s; p = %s (stored: the same run with --epsilon inf)"
                  .formatted(
                      mean,
                      properties.getProperty(model + ".max"),
                      properties.getProperty(model + ".p")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
