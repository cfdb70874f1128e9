package palimpsest.synth.evaluate;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How varied a set of texts is. Distinct-n falls as a set grows, so compare sets of one size only.
 *
 * @param texts how many texts
 * @param distinct1 different words over words (Li et al., "A diversity-promoting objective function
 *     for neural conversation models", NAACL 2016); NaN if there are no words
 * @param distinct2 different pairs of neighbouring words over pairs; NaN if there are none
 * @param duplicateShare the share of texts that repeat an earlier text exactly
 * @param selfRepetition the share of texts in which three words in a row come twice: a sampler that
 *     runs in circles
 * @param meanWords words a text, punctuation left out
 */
public record Diversity(
    int texts,
    double distinct1,
    double distinct2,
    double duplicateShare,
    double selfRepetition,
    double meanWords) {
  private static final int REPEATED_RUN = 3;

  /** Measures a set of at least one text. */
  public static Diversity of(List<String> texts) {
    if (texts.isEmpty()) {
      throw new IllegalArgumentException("diversity needs at least one text");
    }
    Set<String> words = new HashSet<>();
    Set<String> pairs = new HashSet<>();
    long wordCount = 0;
    long pairCount = 0;
    int repetitive = 0;
    for (String text : texts) {
      List<String> found = Words.withoutSigns(text);
      List<String> foundPairs = Words.grams(found, 2);
      words.addAll(found);
      pairs.addAll(foundPairs);
      wordCount += found.size();
      pairCount += foundPairs.size();
      List<String> runs = Words.grams(found, REPEATED_RUN);
      if (new HashSet<>(runs).size() < runs.size()) {
        repetitive++;
      }
    }
    double size = texts.size();
    return new Diversity(
        texts.size(),
        words.size() / (double) wordCount,
        pairs.size() / (double) pairCount,
        (texts.size() - new HashSet<>(texts).size()) / size,
        repetitive / size,
        wordCount / size);
  }
}
