package palimpsest.synth.evaluate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import palimpsest.synth.SplitMix64;

/**
 * An index of texts that finds duplicates and near duplicates of a text. Texts are equal if they
 * differ in white space alone. They are near if the Jaccard index of their word trigrams, signs and
 * case left out, is {@link #THRESHOLD} or more; a text of one or two words counts as one trigram,
 * and one without words is near to none.
 *
 * <p>Candidates come from MinHash (Broder, "On the resemblance and containment of documents",
 * Sequences 1997) with locality-sensitive hashing in bands (Leskovec, Rajaraman and Ullman, "Mining
 * of massive datasets", section 3.4); the Jaccard index of each is then computed. A pair just at
 * the threshold is overlooked with a probability of 3e-6, {@code (1 - 0.8^ROWS)^BANDS}, a nearer
 * one more rarely. Trigrams are told apart by 64 bits of hash. The hash functions are fixed, so the
 * same texts give the same answer.
 *
 * <p>It takes the different texts themselves, 256 bytes for each and 8 for each of its trigrams. A
 * query takes 160 hashes a trigram and one comparison a candidate: in a set of many texts that are
 * alike, but not near, these may be many. It holds the texts: one of private texts is private.
 */
public final class NearDuplicates {
  /** The Jaccard index from which on texts are near. */
  public static final double THRESHOLD = 0.8;

  private static final int SHINGLE = 3;
  private static final int BANDS = 32;
  private static final int ROWS = 5;
  private static final int NONE = -1;

  private static final Pattern WHITE_SPACE =
      Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

  /** Different texts, numbered in the order of their first places. */
  private final Map<String, Integer> numbers = new HashMap<>();

  private final int[] numberOf;
  private final int[] first;
  private final int[] second;
  private final List<long[]> shingles = new ArrayList<>();

  /**
   * For each band the texts that have trigrams, in order: the upper bits are a hash of the text's
   * minima, the lower {@link #numberBits} its number.
   */
  private final long[][] bands;

  private final int numberBits;

  /** Indexes texts; a text is called by its place in the list. */
  public NearDuplicates(List<String> texts) {
    numberOf = new int[texts.size()];
    first = new int[texts.size()];
    second = new int[texts.size()];
    Arrays.fill(second, NONE);
    for (int i = 0; i < texts.size(); i++) {
      Integer known = numbers.putIfAbsent(normalised(texts.get(i)), numbers.size());
      if (known == null) {
        numberOf[i] = shingles.size();
        first[shingles.size()] = i;
        shingles.add(shinglesOf(texts.get(i)));
      } else {
        numberOf[i] = known;
        second[known] = second[known] == NONE ? i : second[known];
      }
    }
    numberBits = Integer.SIZE - Integer.numberOfLeadingZeros(Math.max(0, shingles.size() - 1));
    bands = bandsOf(shingles, numberBits);
  }

  private static long[][] bandsOf(List<long[]> shingles, int numberBits) {
    int count = (int) shingles.stream().filter(one -> one.length > 0).count();
    long[][] bands = new long[BANDS][count];
    int at = 0;
    for (int number = 0; number < shingles.size(); number++) {
      if (shingles.get(number).length > 0) {
        long[] keys = keys(shingles.get(number));
        for (int band = 0; band < BANDS; band++) {
          bands[band][at] = keys[band] << numberBits | number;
        }
        at++;
      }
    }
    for (long[] band : bands) {
      Arrays.sort(band);
    }
    return bands;
  }

  /** The first indexed text that equals a text. */
  public OptionalInt equal(String text) {
    Integer number = numbers.get(normalised(text));
    return number == null ? OptionalInt.empty() : OptionalInt.of(first[number]);
  }

  /** An indexed text that equals a text or is near to it; no matter which of several. */
  public OptionalInt near(String text) {
    OptionalInt equal = equal(text);
    return equal.isPresent() ? equal : similar(shinglesOf(text), NONE);
  }

  /** The first indexed text that equals an indexed one and is another. */
  public OptionalInt equalOther(int index) {
    int number = numberOf[index];
    int other = first[number] == index ? second[number] : first[number];
    return other == NONE ? OptionalInt.empty() : OptionalInt.of(other);
  }

  /** An indexed text that equals an indexed one or is near to it, and is another. */
  public OptionalInt nearOther(int index) {
    OptionalInt equal = equalOther(index);
    int number = numberOf[index];
    return equal.isPresent() ? equal : similar(shingles.get(number), number);
  }

  private OptionalInt similar(long[] wanted, int except) {
    if (wanted.length == 0) {
      return OptionalInt.empty();
    }
    BitSet tried = new BitSet();
    long[] keys = keys(wanted);
    for (int band = 0; band < BANDS; band++) {
      long[] entries = bands[band];
      long key = keys[band] << numberBits;
      int found = Arrays.binarySearch(entries, key);
      for (int i = found < 0 ? -found - 1 : found;
          i < entries.length && entries[i] >>> numberBits == key >>> numberBits;
          i++) {
        int number = (int) (entries[i] - key);
        if (number == except || tried.get(number)) {
          continue;
        }
        tried.set(number);
        if (areNear(wanted, shingles.get(number))) {
          return OptionalInt.of(first[number]);
        }
      }
    }
    return OptionalInt.empty();
  }

  private static String normalised(String text) {
    return WHITE_SPACE.matcher(text).replaceAll(" ").strip();
  }

  /** Hashes of the different trigrams, sorted. */
  private static long[] shinglesOf(String text) {
    List<String> words = Words.withoutSigns(text);
    List<String> grams = Words.grams(words, Math.clamp(words.size(), 1, SHINGLE));
    return grams.stream().mapToLong(NearDuplicates::hash).sorted().distinct().toArray();
  }

  private static long hash(String gram) {
    long hash = 0;
    for (int i = 0; i < gram.length(); i++) {
      hash = SplitMix64.mix(hash + gram.charAt(i) + 1);
    }
    return hash;
  }

  /** A hash a band, of the minima of the shingles under the band's permutations. */
  private static long[] keys(long[] shingles) {
    long[] keys = new long[BANDS];
    for (int band = 0; band < BANDS; band++) {
      long key = band;
      for (int row = 0; row < ROWS; row++) {
        key = SplitMix64.mix(key + minimum(shingles, band * ROWS + row));
      }
      keys[band] = key;
    }
    return keys;
  }

  /** The finaliser is a bijection of 64-bit words, so each seed gives a permutation. */
  private static long minimum(long[] shingles, int permutation) {
    long seed = SplitMix64.mix(permutation + 1);
    long minimum = Long.MAX_VALUE;
    for (long shingle : shingles) {
      minimum = Math.min(minimum, SplitMix64.mix(shingle ^ seed));
    }
    return minimum;
  }

  /** Whether two sorted sets are; ends as soon as they cannot be, since most candidates are not. */
  private static boolean areNear(long[] a, long[] b) {
    int total = a.length + b.length;
    int unmatched = 0;
    int i = 0;
    int j = 0;
    while (i < a.length && j < b.length) {
      int order = Long.compare(a[i], b[j]);
      i += order <= 0 ? 1 : 0;
      j += order >= 0 ? 1 : 0;
      if (order != 0 && jaccard(total, ++unmatched) < THRESHOLD) {
        return false;
      }
    }
    return jaccard(total, unmatched + a.length - i + b.length - j) >= THRESHOLD;
  }

  /** Of two sets of so many elements in all, of which so many are in one of them alone. */
  private static double jaccard(int total, int unmatched) {
    return (total - unmatched) / (double) (total + unmatched);
  }
}
