package palimpsest.synth.evaluate;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import palimpsest.synth.text.Records;

/**
 * Texts and the names of their labels, index for index; at least one. Those of real records are
 * private.
 */
public record LabelledTexts(List<String> texts, List<String> labels) {
  /** Copies the lists. */
  public LabelledTexts {
    texts = List.copyOf(texts);
    labels = List.copyOf(labels);
    NaiveBayes.requireSameSize(texts, labels);
    if (texts.isEmpty()) {
      throw new IllegalArgumentException("an evaluation needs at least one text");
    }
  }

  /**
   * Reads a file of records.
   *
   * @throws palimpsest.synth.text.InputException if no record of the file can be used
   */
  public static LabelledTexts read(Path file, RecordOptions options, Labels labels) {
    Records records = Records.read(file, options, labels);
    List<String> texts = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < records.size(); i++) {
      texts.add(new String(records.text(i), StandardCharsets.UTF_8));
      names.add(labels.name(records.label(i)));
    }
    records.erase();
    return new LabelledTexts(texts, names);
  }

  /** How many. */
  public int size() {
    return texts.size();
  }

  /** The first {@code count}, or all if there are fewer. */
  public LabelledTexts first(int count) {
    int kept = Math.min(count, size());
    return new LabelledTexts(texts.subList(0, kept), labels.subList(0, kept));
  }

  /** A judge trained on them. */
  public NaiveBayes judge() {
    return NaiveBayes.train(texts, labels);
  }

  /** Not the texts: they may be private. */
  @Override
  public String toString() {
    return "LabelledTexts[" + size() + "]";
  }
}
