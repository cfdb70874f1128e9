package palimpsest.synth.evaluate;

import java.util.List;
import java.util.function.Function;

/**
 * What a set of texts has word for word from another: an audit of synthetic texts, or of the text
 * that a base model was trained on, against private records. Set it beside the same figures of real
 * texts that were held out, which share set phrases too. It follows from the private records
 * without noise, so it is for their owner; to filter texts by it before they are released would
 * void the guarantee.
 *
 * @param exact texts that equal one of the other set but for white space
 * @param near texts that equal one or are a near duplicate of it ({@link NearDuplicates})
 * @param withLongRun texts that share a run of at least {@link #LONG_RUN} tokens with the other set
 * @param longRuns runs of at least that many tokens, each as long as it can be; they may overlap
 * @param longestRun how many tokens the longest shared run has
 */
public record Copying(
    Proportion exact, Proportion near, Proportion withLongRun, long longRuns, int longestRun) {
  /**
   * Tokens from which on a shared run counts as copied (Lee et al., "Deduplicating training data
   * makes language models better", ACL 2022; Kurakin et al., arXiv 2306.01684).
   */
  public static final int LONG_RUN = 50;

  /**
   * Compares texts with a set, which is indexed: 8 bytes a token and what {@link NearDuplicates}
   * takes. Of texts that do not fit into memory, pass an iterable that reads them. How many private
   * records a base model may know shows with these as the texts and what it was trained on as the
   * set.
   *
   * @param tokenizer token ids of a text, as {@link SuffixArray} takes them
   */
  public static Copying of(
      Iterable<String> texts, List<String> reference, Function<String, int[]> tokenizer) {
    NearDuplicates duplicates = new NearDuplicates(reference);
    SuffixArray runs = new SuffixArray(reference.stream().map(tokenizer).toList());
    Tally tally = new Tally();
    for (String text : texts) {
      tally.add(
          duplicates.equal(text).isPresent(),
          duplicates.near(text).isPresent(),
          runs.matchingStatistics(tokenizer.apply(text)));
    }
    return tally.copying();
  }

  /**
   * Compares each text of a set with the others: how far the set repeats itself.
   *
   * @param tokenizer as in {@link #of}
   */
  public static Copying within(List<String> texts, Function<String, int[]> tokenizer) {
    NearDuplicates duplicates = new NearDuplicates(texts);
    int[][] shared = new SuffixArray(texts.stream().map(tokenizer).toList()).sharedWithOthers();
    Tally tally = new Tally();
    for (int i = 0; i < texts.size(); i++) {
      tally.add(
          duplicates.equalOther(i).isPresent(), duplicates.nearOther(i).isPresent(), shared[i]);
    }
    return tally.copying();
  }

  private static final class Tally {
    private long texts;
    private long exact;
    private long near;
    private long withLongRun;
    private long longRuns;
    private int longestRun;

    /**
     * @param shared for each place of the text the length of the longest run that begins there
     */
    void add(boolean isExact, boolean isNear, int[] shared) {
      texts++;
      exact += isExact ? 1 : 0;
      near += isNear ? 1 : 0;
      long before = longRuns;
      for (int i = 0; i < shared.length; i++) {
        longestRun = Math.max(longestRun, shared[i]);
        // What begins one place after a longer run and ends with it is a part of that.
        boolean part = i > 0 && shared[i - 1] == shared[i] + 1;
        longRuns += shared[i] >= LONG_RUN && !part ? 1 : 0;
      }
      withLongRun += longRuns > before ? 1 : 0;
    }

    Copying copying() {
      return new Copying(
          new Proportion(exact, texts),
          new Proportion(near, texts),
          new Proportion(withLongRun, texts),
          longRuns,
          longestRun);
    }
  }
}
