package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How long the texts of a set are and how much they repeat themselves, beside what {@link
 * Diversity} says. Words are those of letters and digits, in lower case.
 *
 * @param words quantiles of the words in a text
 * @param characters quantiles of the characters in a text, as Unicode code points
 * @param distinct3 different runs of three words over such runs (as {@link Diversity#distinct1});
 *     NaN if there are none
 * @param repetition4 the mean over texts of the share of runs of four words that repeat an earlier
 *     one of the text: seq-rep-4 (Welleck et al., "Neural text generation with unlikelihood
 *     training", ICLR 2020). Shorter texts are left out; NaN if all are shorter
 */
public record TextStatistics(
    Quantiles words, Quantiles characters, double distinct3, double repetition4) {
  private static final int REPEATED_RUN = 4;

  /**
   * Quantiles of whole numbers: of each share the smallest number that as large a share of them
   * does not exceed.
   */
  public record Quantiles(
      int fivePercent, int lowerQuartile, int median, int upperQuartile, int ninetyFivePercent) {
    static Quantiles of(int[] numbers) {
      int[] sorted = numbers.clone();
      Arrays.sort(sorted);
      return new Quantiles(
          at(sorted, 5), at(sorted, 25), at(sorted, 50), at(sorted, 75), at(sorted, 95));
    }

    private static int at(int[] sorted, int percent) {
      return sorted[(int) Math.ceilDiv((long) percent * sorted.length, 100L) - 1];
    }
  }

  /** Measures a set of at least one text. */
  public static TextStatistics of(List<String> texts) {
    if (texts.isEmpty()) {
      throw new IllegalArgumentException("text statistics need at least one text");
    }
    int[] words = new int[texts.size()];
    int[] characters = new int[texts.size()];
    Set<String> triples = new HashSet<>();
    long tripleCount = 0;
    double repeated = 0;
    int longEnough = 0;
    for (int i = 0; i < words.length; i++) {
      String text = texts.get(i);
      List<String> found = Words.withoutSigns(text);
      words[i] = found.size();
      characters[i] = text.codePointCount(0, text.length());
      List<String> ofText = Words.grams(found, 3);
      triples.addAll(ofText);
      tripleCount += ofText.size();
      List<String> runs = Words.grams(found, REPEATED_RUN);
      if (!runs.isEmpty()) {
        repeated += 1 - new HashSet<>(runs).size() / (double) runs.size();
        longEnough++;
      }
    }
    return new TextStatistics(
        Quantiles.of(words),
        Quantiles.of(characters),
        triples.size() / (double) tripleCount,
        repeated / longEnough);
  }
}
