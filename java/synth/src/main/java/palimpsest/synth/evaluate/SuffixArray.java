package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.List;

/**
 * An index of records, as sequences of tokens, that finds the longest run of tokens which a text
 * has in common with any of them: a suffix array (Manber and Myers, "Suffix arrays: a new method
 * for on-line string searches", SIAM Journal on Computing 22, 1993). No run crosses the end of a
 * record.
 *
 * <p>It takes 8 bytes a token, and up to 30 while it is built, in linear time. It holds the
 * records: one of private records is private.
 */
public final class SuffixArray {
  /** Stands after every record; tokens are stored with one added. */
  private static final int SEPARATOR = 0;

  /** Token ids stay below this: the index counts each, and no vocabulary is nearly as large. */
  static final int TOKEN_LIMIT = 1 << 24;

  private static final int LARGEST_TEXT = Integer.MAX_VALUE - 8;

  private final int[] text;
  private final int[] order;

  /**
   * Indexes records.
   *
   * @param records token ids in [0, 2^24), fewer than 2^31 in all
   * @throws IllegalArgumentException if there is another token id, or there are more
   */
  public SuffixArray(List<int[]> records) {
    text = joined(records);
    int largest = Arrays.stream(text).max().orElse(SEPARATOR);
    order = InducedSorting.suffixes(text, largest + 1);
  }

  private static int[] joined(List<int[]> records) {
    long length = records.stream().mapToLong(record -> record.length + 1L).sum();
    if (length > LARGEST_TEXT) {
      throw new IllegalArgumentException(
          "a suffix array holds fewer than 2^31 tokens, not " + length);
    }
    int[] joined = new int[(int) length];
    int at = 0;
    for (int[] record : records) {
      for (int token : record) {
        if (token < 0 || token >= TOKEN_LIMIT) {
          throw new IllegalArgumentException("a token id must be in [0, 2^24), got " + token);
        }
        joined[at++] = token + 1;
      }
      joined[at++] = SEPARATOR;
    }
    return joined;
  }

  /**
   * The matching statistics of a text (Chang and Lawler, "Sublinear approximate string matching and
   * biological applications", Algorithmica 12, 1994), by binary search: O(m (r + log n)) for m
   * tokens, n indexed ones and runs of r.
   *
   * @param tokens of the text, none negative; unknown ones match nothing
   * @return for each of its m places the length of the longest run that begins there and stands in
   *     a record
   */
  public int[] matchingStatistics(int[] tokens) {
    for (int token : tokens) {
      if (token < 0) {
        throw new IllegalArgumentException("a token id must not be negative, got " + token);
      }
    }
    int[] lengths = new int[tokens.length];
    for (int i = 0; i < tokens.length; i++) {
      lengths[i] = longestMatch(tokens, i);
    }
    return lengths;
  }

  /** The length of the longest run of tokens that a text has in common with a record. */
  public int longestSharedRun(int[] tokens) {
    return Arrays.stream(matchingStatistics(tokens)).max().orElse(0);
  }

  private int longestMatch(int[] tokens, int from) {
    int low = 0;
    int high = order.length;
    int lowMatch = 0;
    int highMatch = 0;
    int longest = 0;
    while (low < high) {
      int middle = (low + high) >>> 1;
      // What both neighbours share with the text, all suffixes between them share.
      int length = Math.min(lowMatch, highMatch);
      int at = order[middle];
      // A separator ends the suffix at the latest: it equals no token.
      while (from + length < tokens.length && tokens[from + length] + 1 == text[at + length]) {
        length++;
      }
      longest = Math.max(longest, length);
      if (from + length == tokens.length) {
        return length;
      }
      if (text[at + length] < tokens[from + length] + 1) {
        low = middle + 1;
        lowMatch = length;
      } else {
        high = middle;
        highMatch = length;
      }
    }
    return longest;
  }

  /**
   * What the records have in common with one another, in linear time and 24 further bytes a token.
   *
   * @return for each record and each place in it the length of the longest run that begins there
   *     and stands in another record
   */
  public int[][] sharedWithOthers() {
    int[] records = recordOfPlace();
    int[] common = commonPrefixes();
    int[] longest = new int[text.length];
    int shared = 0;
    for (int i = 1; i < order.length; i++) {
      boolean sameRecord = records[order[i - 1]] == records[order[i]];
      shared = sameRecord ? Math.min(shared, common[i]) : common[i];
      longest[order[i]] = shared;
    }
    shared = 0;
    for (int i = order.length - 2; i >= 0; i--) {
      boolean sameRecord = records[order[i + 1]] == records[order[i]];
      shared = sameRecord ? Math.min(shared, common[i + 1]) : common[i + 1];
      longest[order[i]] = Math.max(longest[order[i]], shared);
    }
    return cut(longest);
  }

  private int[] recordOfPlace() {
    int[] records = new int[text.length];
    int record = 0;
    for (int i = 0; i < text.length; i++) {
      records[i] = record;
      record += text[i] == SEPARATOR ? 1 : 0;
    }
    return records;
  }

  /**
   * How many tokens each suffix shares with the one before it in the order, within its record
   * (Kasai et al., "Linear-time longest-common-prefix computation in suffix arrays and its
   * applications", CPM 2001).
   */
  private int[] commonPrefixes() {
    int[] rank = new int[order.length];
    for (int i = 0; i < order.length; i++) {
      rank[order[i]] = i;
    }
    int[] common = new int[order.length];
    int length = 0;
    for (int at = 0; at < order.length; at++) {
      if (rank[at] == 0) {
        length = 0;
        continue;
      }
      int before = order[rank[at] - 1];
      while (text[at + length] != SEPARATOR && text[at + length] == text[before + length]) {
        length++;
      }
      common[rank[at]] = length;
      length = Math.max(0, length - 1);
    }
    return common;
  }

  private int[][] cut(int[] values) {
    int count = (int) Arrays.stream(text).filter(token -> token == SEPARATOR).count();
    int[][] records = new int[count][];
    int start = 0;
    int record = 0;
    for (int i = 0; i < text.length; i++) {
      if (text[i] == SEPARATOR) {
        records[record++] = Arrays.copyOfRange(values, start, i);
        start = i + 1;
      }
    }
    return records;
  }
}
