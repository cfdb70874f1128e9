package palimpsest.synth.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * All distinct words of a text as rows of tokens, and how often each two tokens are neighbours in
 * the whole text. A merge takes time in the number of places where it joins two tokens, so all
 * merges together take time in the bytes of the distinct words, however long a word is.
 *
 * <p>A byte of a word is a cell. A token stands at its first cell, and its last cell knows the
 * first, so that both neighbours are found at once. A cell without a token lies between words.
 *
 * <p>How bytes that begin and end with a token are split into tokens follows from these bytes
 * alone: their ends were ends of tokens from the start, and merges inside go from the left. So no
 * two merges make the same bytes, a pair that was merged never comes again, and pairs arise only in
 * the merge that makes one of their tokens; after that, their counts can but fall.
 */
final class PairCounts {
  private static final int NONE = -1;

  /** Two tokens that are neighbours somewhere, or were. */
  static final class Pair {
    final int left;
    final int right;
    private long count;

    /** Cells of the left token when the pair arose, ascending; it may be gone from some. */
    private final IntList places = new IntList(2);

    private Pair(int left, int right) {
      this.left = left;
      this.right = right;
    }

    /** How often the two are neighbours now: places, each times the count of its word. */
    long count() {
      return count;
    }
  }

  private final WordCounts words;
  private final int[] tokens;
  private final int[] firstCells;
  private final int[] wordOf;
  private final int[] lengths;
  private final Map<Long, Pair> pairs = new HashMap<>();
  private List<Pair> arisen = new ArrayList<>();

  /**
   * Starts with a token a byte.
   *
   * @param tokenOfByte token of each byte, 256 of them
   * @param tokenLimit every token is below it
   */
  PairCounts(WordCounts words, int[] tokenOfByte, int tokenLimit) {
    this.words = words;
    int cells = words.byteCount() + words.size() + 1;
    tokens = new int[cells];
    firstCells = new int[cells];
    wordOf = new int[cells];
    lengths = new int[tokenLimit];
    Arrays.setAll(firstCells, cell -> cell);
    Arrays.fill(tokens, NONE);
    for (int token : tokenOfByte) {
      lengths[token] = 1;
    }
    int cell = 1;
    for (int word = 0; word < words.size(); word++) {
      for (int at = words.start(word); at < words.end(word); at++) {
        wordOf[cell] = word;
        tokens[cell] = tokenOfByte[words.unsignedByte(at)];
        count(cell - 1, cell);
        cell++;
      }
      cell++;
    }
  }

  /** Pairs that arose since the last call; one may be gone again, with a count of 0. */
  List<Pair> takeArisen() {
    List<Pair> taken = arisen;
    arisen = new ArrayList<>();
    return taken;
  }

  /** Bytes of the token that the pair would become. */
  int mergedLength(Pair pair) {
    return lengths[pair.left] + lengths[pair.right];
  }

  /**
   * Joins the pair wherever it stands, from the left where its places overlap; its count is then 0.
   *
   * @param token what it becomes, a token that never was
   */
  void merge(Pair pair, int token) {
    lengths[token] = mergedLength(pair);
    for (int left : pair.places.toArray()) {
      int right = left + lengths[pair.left];
      if (tokens[left] == pair.left && tokens[right] == pair.right) {
        join(left, right, token);
      }
    }
  }

  private void join(int left, int right, int token) {
    int before = firstCells[left - 1];
    int after = right + lengths[tokens[right]];
    uncount(before, left);
    uncount(left, right);
    uncount(right, after);
    tokens[left] = token;
    tokens[right] = NONE;
    firstCells[after - 1] = left;
    count(before, left);
    count(left, after);
  }

  /** Counts the tokens at two cells as neighbours, unless one of them is no token. */
  private void count(int left, int right) {
    if (tokens[left] == NONE || tokens[right] == NONE) {
      return;
    }
    long key = key(tokens[left], tokens[right]);
    Pair pair = pairs.get(key);
    if (pair == null) {
      pair = new Pair(tokens[left], tokens[right]);
      pairs.put(key, pair);
      arisen.add(pair);
    }
    pair.count += words.count(wordOf[left]);
    pair.places.add(left);
  }

  private void uncount(int left, int right) {
    if (tokens[left] == NONE || tokens[right] == NONE) {
      return;
    }
    long key = key(tokens[left], tokens[right]);
    Pair pair = pairs.get(key);
    pair.count -= words.count(wordOf[left]);
    if (pair.count == 0) {
      pairs.remove(key);
    }
  }

  /**
   * One number for both tokens. The odd factor keeps numbers distinct and spreads them: a Long
   * hashes to the exclusive or of its halves, which would be the same for a great many pairs.
   */
  private static long key(int left, int right) {
    return ((long) left << 32 | right) * 0x9E3779B97F4A7C15L;
  }
}
