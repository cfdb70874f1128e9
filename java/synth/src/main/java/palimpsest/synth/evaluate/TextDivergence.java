package palimpsest.synth.evaluate;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * How far two sets of texts are from each other in their words: the Jensen-Shannon divergence (Lin,
 * "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37,
 * 1991), equal weights, of relative frequencies, in bits: 0 if they are equal, 1 if nothing occurs
 * in both. Two samples of one source are not at 0 either, the less so the smaller they are: set it
 * beside that of two sets of real texts of the same sizes. NaN if one of the sets has none.
 *
 * @param words of the words, in lower case, signs left out
 * @param wordPairs of the pairs of neighbouring words
 * @param lengths of the numbers of words in a text
 */
public record TextDivergence(double words, double wordPairs, double lengths) {
  /** Compares two sets. */
  public static TextDivergence of(List<String> a, List<String> b) {
    return new TextDivergence(
        divergence(a, b, found -> found),
        divergence(a, b, found -> Words.grams(found, 2)),
        divergence(a, b, found -> List.of(found.size())));
  }

  /**
   * @param features of a text, by its words
   */
  private static double divergence(
      List<String> a, List<String> b, Function<List<String>, List<?>> features) {
    Map<Object, long[]> counts = new HashMap<>();
    double sumA = count(a, features, counts, 0);
    double sumB = count(b, features, counts, 1);
    if (sumA == 0 || sumB == 0) {
      return Double.NaN;
    }
    double divergence = 0;
    for (long[] count : counts.values()) {
      double ofA = count[0] / sumA;
      double ofB = count[1] / sumB;
      double mean = (ofA + ofB) / 2;
      divergence += (term(ofA, mean) + term(ofB, mean)) / 2;
    }
    return divergence;
  }

  private static long count(
      List<String> texts,
      Function<List<String>, List<?>> features,
      Map<Object, long[]> counts,
      int set) {
    long total = 0;
    for (String text : texts) {
      for (Object feature : features.apply(Words.withoutSigns(text))) {
        counts.computeIfAbsent(feature, _ -> new long[2])[set]++;
        total++;
      }
    }
    return total;
  }

  private static double term(double share, double mean) {
    return share == 0 ? 0 : share * Math.log(share / mean) / Math.log(2);
  }
}
