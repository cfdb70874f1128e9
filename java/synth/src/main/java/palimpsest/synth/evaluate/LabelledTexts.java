package palimpsest.synth.evaluate;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
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

  /** {@code count} of them at even distances, since files are often sorted; all if fewer. */
  public LabelledTexts spread(int count) {
    int kept = Math.min(count, size());
    int[] rows =
        IntStream.range(0, kept).map(i -> Math.toIntExact((long) i * size() / kept)).toArray();
    return new LabelledTexts(
        Arrays.stream(rows).mapToObj(texts::get).toList(),
        Arrays.stream(rows).mapToObj(labels::get).toList());
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
