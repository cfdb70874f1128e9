package palimpsest.synth.evaluate;

import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How often a judge trained on real texts gives a text the label it was written for. Set it beside
 * the agreement of real held-out texts, by label or in the mean over labels: that is what perfect
 * synthesis would get.
 *
 * @param overall over all texts
 * @param byLabel over the texts of each label, sorted by label
 * @param confusion intended label, then the judge's label, then how many texts
 */
public record LabelAgreement(
    Proportion overall,
    SortedMap<String, Proportion> byLabel,
    SortedMap<String, SortedMap<String, Long>> confusion) {

  /**
   * Judges a set of texts.
   *
   * @param judge trained on real texts
   * @param texts n texts
   * @param labels the n labels they were written for
   */
  public static LabelAgreement of(NaiveBayes judge, List<String> texts, List<String> labels) {
    NaiveBayes.requireSameSize(texts, labels);
    SortedMap<String, SortedMap<String, Long>> confusion = new TreeMap<>();
    for (int i = 0; i < texts.size(); i++) {
      confusion
          .computeIfAbsent(labels.get(i), _ -> new TreeMap<>())
          .merge(judge.predict(texts.get(i)), 1L, Long::sum);
    }
    SortedMap<String, Proportion> byLabel = new TreeMap<>();
    confusion.forEach((label, judged) ->
        byLabel.put(
            label,
            new Proportion(
                judged.getOrDefault(label, 0L),
                judged.values().stream().mapToLong(Long::longValue).sum())));
    long right = byLabel.values().stream().mapToLong(Proportion::successes).sum();
    return new LabelAgreement(new Proportion(right, texts.size()), byLabel, confusion);
  }

  /** The mean over the labels, each as important as any other. */
  public double meanOfLabels() {
    return byLabel.values().stream().mapToDouble(Proportion::value).average().orElse(Double.NaN);
  }
}
