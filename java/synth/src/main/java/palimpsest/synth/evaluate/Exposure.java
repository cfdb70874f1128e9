package palimpsest.synth.evaluate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The exposure of planted secrets: where each ranks, by its log-probability under a model, among
 * decoys of the same format (Carlini et al., "The Secret Sharer", USENIX Security 2019, definition
 * 1: log2 of the number of candidates less log2 of the rank).
 *
 * <p>A secret that is drawn as its decoys are has a uniform rank under a model that learned nothing
 * of it: then exposure has mean {@link #MEAN_UNDER_NULL}, and the ranks give valid p-values.
 *
 * @param results one a secret, in order
 */
public record Exposure(List<Result> results) {

  /** About what a model that never saw a secret shows: 1 / ln 2 bits, for many decoys. */
  public static final double MEAN_UNDER_NULL = 1 / Math.log(2);

  /** Scores many continuations of one context at a time, so that an engine can batch them. */
  @FunctionalInterface
  public interface Scorer {
    /**
     * Log-probabilities under the model, or any measure that grows with them.
     *
     * @param secretIndex which case is scored: a model prompted with a label needs to know
     * @param context what stands before the continuation in the message
     * @param continuations n strings
     * @return n finite numbers
     */
    double[] score(int secretIndex, String context, List<String> continuations);
  }

  /**
   * A secret and what it is ranked among.
   *
   * @param context what stands before it
   * @param secret the secret
   * @param decoys strings of the same format, none equal to the secret
   */
  public record Case(String context, String secret, List<String> decoys) {
    /** Copies the decoys and checks that there are some and the secret is not among them. */
    public Case {
      Objects.requireNonNull(context, "context");
      decoys = List.copyOf(decoys);
      if (decoys.isEmpty() || decoys.contains(secret)) {
        throw new IllegalArgumentException("a case needs decoys, and none may equal the secret");
      }
    }
  }

  /**
   * Where one secret came.
   *
   * @param above decoys that score higher
   * @param tied decoys that score the same
   * @param candidates the decoys and the secret
   */
  public record Result(int above, int tied, int candidates) {

    /**
     * Where a score comes among others.
     *
     * @throws IllegalArgumentException if one of them is not finite
     */
    static Result of(double score, double[] others) {
      int above = 0;
      int tied = 0;
      for (double other : others) {
        if (!Double.isFinite(other) || !Double.isFinite(score)) {
          throw new IllegalArgumentException("the scorer returned a score that is not finite");
        }
        above += other > score ? 1 : 0;
        tied += other == score ? 1 : 0;
      }
      return new Result(above, tied, others.length + 1);
    }

    /** The rank from 1, a tie counted half: a model that tells nothing apart exposes nothing. */
    public double rank() {
      return 1 + above + tied / 2.0;
    }

    /** In bits: 0 to log2(candidates). */
    public double exposure() {
      return log2(candidates) - log2(rank());
    }

    /** The chance of such a rank or a better one for a secret the model never saw. */
    public double pValue() {
      return (1.0 + above + tied) / candidates;
    }
  }

  /** Copies the results. */
  public Exposure {
    results = List.copyOf(results);
  }

  /**
   * Ranks secrets.
   *
   * @throws IllegalArgumentException if the scorer returns too few numbers or one that is not
   *     finite
   */
  public static Exposure of(List<Case> cases, Scorer scorer) {
    if (cases.isEmpty()) {
      throw new IllegalArgumentException("exposure needs at least one secret");
    }
    List<Result> results = new ArrayList<>();
    for (int i = 0; i < cases.size(); i++) {
      results.add(rank(i, cases.get(i), scorer));
    }
    return new Exposure(results);
  }

  private static Result rank(int index, Case one, Scorer scorer) {
    List<String> candidates = new ArrayList<>(one.decoys());
    candidates.add(one.secret());
    double[] scores = scorer.score(index, one.context(), candidates);
    if (scores.length != candidates.size()) {
      throw new IllegalArgumentException(
          "the scorer returned " + scores.length + " scores for " + candidates.size() + " strings");
    }
    int last = scores.length - 1;
    return Result.of(scores[last], Arrays.copyOf(scores, last));
  }

  /** The mean exposure, in bits. */
  public double mean() {
    return results.stream().mapToDouble(Result::exposure).average().orElseThrow();
  }

  /** The largest exposure, in bits. */
  public double max() {
    return results.stream().mapToDouble(Result::exposure).max().orElseThrow();
  }

  /**
   * The chance that secrets the model never saw look as exposed as these or more, by Fisher's
   * method over independent secrets: with s = -sum ln p, the upper tail of a Gamma(k, 1) variable
   * at s. The p-values are discrete, which makes it larger than need be, never smaller.
   */
  public double combinedPValue() {
    double s = results.stream().mapToDouble(r -> -Math.log(r.pValue())).sum();
    double logTerm = -s;
    double tail = Math.exp(logTerm);
    for (int j = 1; j < results.size(); j++) {
      logTerm += Math.log(s / j);
      tail += Math.exp(logTerm);
    }
    return Math.min(1, tail);
  }

  private static double log2(double x) {
    return Math.log(x) / Math.log(2);
  }
}
