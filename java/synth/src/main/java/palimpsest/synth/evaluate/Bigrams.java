package palimpsest.synth.evaluate;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A bigram model over tokens: how likely a text is, judged by the texts that the model has read.
 * What follows a token is counted, and a prior worth one observation comes from how frequent tokens
 * are on their own, which in turn has a small share of every token of the vocabulary (Dirichlet
 * smoothing, MacKay and Bauman Peto 1995).
 */
public final class Bigrams {
  /** Stands before a text's first token. */
  private static final int START = -1;

  /**
   * Observations that a prior is worth: of what follows a token, and of a token, in the whole
   * vocabulary.
   */
  private static final double PRIOR = 1;

  private static final double SPREAD = 0.01;

  private final int vocabulary;
  private final Map<Integer, Integer> tokens = new HashMap<>();
  private final Map<Integer, Integer> contexts = new HashMap<>();
  private final Map<Long, Integer> pairs = new HashMap<>();
  private long total;

  /**
   * Reads texts.
   *
   * @param texts as tokens
   * @param vocabulary how many tokens there are
   */
  public Bigrams(List<int[]> texts, int vocabulary) {
    this.vocabulary = vocabulary;
    for (int[] text : texts) {
      int before = START;
      for (int token : text) {
        tokens.merge(token, 1, Integer::sum);
        contexts.merge(before, 1, Integer::sum);
        pairs.merge(pair(before, token), 1, Integer::sum);
        before = token;
      }
      total += text.length;
    }
  }

  /**
   * The log-probability (natural) of a text's tail, given what stands before it.
   *
   * @param from the tail's first token, at most the length of the text
   */
  public double logProbability(int[] text, int from) {
    double sum = 0;
    for (int i = from; i < text.length; i++) {
      sum += Math.log(probability(i == 0 ? START : text[i - 1], text[i]));
    }
    return sum;
  }

  private double probability(int before, int token) {
    double spread = SPREAD * vocabulary;
    double alone = (tokens.getOrDefault(token, 0) + SPREAD) / (total + spread);
    return (pairs.getOrDefault(pair(before, token), 0) + PRIOR * alone)
        / (contexts.getOrDefault(before, 0) + PRIOR);
  }

  private static long pair(int before, int token) {
    return (long) before << 32 | token;
  }
}
