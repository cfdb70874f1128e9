package palimpsest.synth.evaluate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Multinomial naive Bayes over lower-cased words and pairs of neighbouring words, with Laplace
 * smoothing (Manning, Raghavan and Schuetze, "Introduction to Information Retrieval", section
 * 13.2). It trains in one pass and has nothing to tune, which makes it a judge that anyone can
 * repeat.
 *
 * <p>A trained judge holds counts of its training texts: one trained on private texts is private.
 */
public final class NaiveBayes {
  private final List<String> labels;
  private final Map<String, int[]> counts;
  private final double[] logPrior;
  private final double[] logTotal;

  private NaiveBayes(
      List<String> labels, Map<String, int[]> counts, double[] logPrior, double[] logTotal) {
    this.labels = labels;
    this.counts = counts;
    this.logPrior = logPrior;
    this.logTotal = logTotal;
  }

  /**
   * Trains a judge.
   *
   * @param texts n texts, n at least 1
   * @param labels the n labels that belong to them
   */
  public static NaiveBayes train(List<String> texts, List<String> labels) {
    requireSameSize(texts, labels);
    if (texts.isEmpty()) {
      throw new IllegalArgumentException("a judge needs at least one training text");
    }
    List<String> names = List.copyOf(new TreeSet<>(labels));
    Map<String, int[]> counts = new HashMap<>();
    double[] documents = new double[names.size()];
    double[] totals = new double[names.size()];
    for (int i = 0; i < texts.size(); i++) {
      int label = names.indexOf(labels.get(i));
      documents[label]++;
      for (String feature : features(texts.get(i))) {
        counts.computeIfAbsent(feature, _ -> new int[names.size()])[label]++;
        totals[label]++;
      }
    }
    double[] logPrior = Arrays.stream(documents).map(d -> Math.log(d / texts.size())).toArray();
    double[] logTotal = Arrays.stream(totals).map(t -> Math.log(t + counts.size())).toArray();
    return new NaiveBayes(names, counts, logPrior, logTotal);
  }

  /** The labels seen in training, sorted. */
  public List<String> labels() {
    return labels;
  }

  /** The likeliest label; of equals, the first in order. */
  public String predict(String text) {
    double[] scores = logJoint(text);
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      if (scores[i] > scores[best]) {
        best = i;
      }
    }
    return labels.get(best);
  }

  /**
   * The log of the joint probability of the text's known features and each label. A feature that
   * training never saw says nothing of the label and is left out.
   *
   * @return one number a label, in the order of {@link #labels}
   */
  double[] logJoint(String text) {
    double[] scores = logPrior.clone();
    for (String feature : features(text)) {
      int[] count = counts.get(feature);
      if (count != null) {
        for (int i = 0; i < scores.length; i++) {
          scores[i] += Math.log(count[i] + 1.0) - logTotal[i];
        }
      }
    }
    return scores;
  }

  /**
   * How many texts the judge gives the label they have.
   *
   * @param texts n texts
   * @param labels n labels
   */
  public Proportion accuracy(List<String> texts, List<String> labels) {
    requireSameSize(texts, labels);
    long right = 0;
    for (int i = 0; i < texts.size(); i++) {
      if (predict(texts.get(i)).equals(labels.get(i))) {
        right++;
      }
    }
    return new Proportion(right, texts.size());
  }

  private static List<String> features(String text) {
    List<String> words = Words.of(text);
    List<String> features = new ArrayList<>(words);
    features.addAll(Words.grams(words, 2));
    return features;
  }

  static void requireSameSize(List<String> texts, List<String> labels) {
    if (texts.size() != labels.size()) {
      throw new IllegalArgumentException(
          "every text needs one label: " + texts.size() + " texts, " + labels.size() + " labels");
    }
  }
}
