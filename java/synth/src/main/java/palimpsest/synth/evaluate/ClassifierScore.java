package palimpsest.synth.evaluate;

import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * How well labels are predicted. Of real texts it is a private figure, for their owner.
 *
 * @param accuracy texts whose label was predicted
 * @param f1 of each label that a text has or was given: the harmonic mean of precision and recall
 */
public record ClassifierScore(Proportion accuracy, SortedMap<String, Double> f1) {
  /**
   * Compares.
   *
   * @param labels n labels that texts have, n at least 1
   * @param predicted n labels that they were given
   */
  public static ClassifierScore of(List<String> labels, List<String> predicted) {
    if (labels.size() != predicted.size() || labels.isEmpty()) {
      throw new IllegalArgumentException(
          labels.size() + " labels and " + predicted.size() + " predictions");
    }
    TreeSet<String> all = new TreeSet<>(labels);
    all.addAll(predicted);
    SortedMap<String, Double> f1 = new TreeMap<>();
    long right = 0;
    for (String label : all) {
      long both = 0;
      long either = 0;
      for (int i = 0; i < labels.size(); i++) {
        boolean has = labels.get(i).equals(label);
        boolean given = predicted.get(i).equals(label);
        both += has && given ? 1 : 0;
        either += (has ? 1 : 0) + (given ? 1 : 0);
      }
      right += both;
      f1.put(label, 2.0 * both / either);
    }
    return new ClassifierScore(new Proportion(right, labels.size()), f1);
  }

  /** The mean of {@link #f1}, each label as important as any other. */
  public double macroF1() {
    return f1.values().stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
