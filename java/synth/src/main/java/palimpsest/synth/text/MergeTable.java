package palimpsest.synth.text;

import java.security.SecureRandom;
import java.util.Arrays;

/**
 * Ranked byte-pair merges and the merging itself. Lookup is one probe into open-addressed packed
 * words; merging is quadratic in words of up to {@value #SHORT} bytes, where a scan of a few cache
 * lines wins, and O(n log n) with a heap over a linked list beyond.
 */
final class MergeTable {
  static final int NONE = Integer.MAX_VALUE;

  /** Ids and ranks fit 20 bits each: a slot is left, right and rank in one long. */
  static final int MAX_IDS = 1 << 20;

  private static final int SHORT = 48;
  private static final int BITS = 20;
  private static final long RANK_MASK = MAX_IDS - 1;

  /** Random, so that no file can be made whose pairs all share a slot (multiply-shift hashing). */
  private static final long MULTIPLIER = new SecureRandom().nextLong() | 1;

  private final long[] slots;
  private final int shift;
  private final int[] merged;

  /**
   * @param left left token of each merge, best rank first
   * @param right right token of each merge
   * @param merged token that each merge makes
   */
  MergeTable(int[] left, int[] right, int[] merged) {
    this.merged = merged;
    int bits = Math.max(4, 33 - Integer.numberOfLeadingZeros(merged.length));
    slots = new long[1 << bits];
    shift = 64 - bits;
    Arrays.fill(slots, -1);
    for (int rank = 0; rank < merged.length; rank++) {
      put(key(left[rank], right[rank]), rank);
    }
  }

  private static long key(int left, int right) {
    return (long) left << BITS | right;
  }

  /** A pair listed twice keeps its last rank, as in the reference implementation. */
  private void put(long key, int rank) {
    int slot = slot(key);
    while (slots[slot] != -1 && slots[slot] >>> BITS != key) {
      slot = slot + 1 & slots.length - 1;
    }
    slots[slot] = key << BITS | rank;
  }

  private int slot(long key) {
    return (int) (key * MULTIPLIER >>> shift);
  }

  /** Rank of the pair, or {@link #NONE}. */
  int rank(int left, int right) {
    long key = key(left, right);
    int slot = slot(key);
    while (true) {
      long found = slots[slot];
      if (found == -1) {
        return NONE;
      }
      if (found >>> BITS == key) {
        return (int) (found & RANK_MASK);
      }
      slot = slot + 1 & slots.length - 1;
    }
  }

  /**
   * Merges until no pair has a rank: always the best-ranked pair, the leftmost of equals.
   *
   * @param symbols tokens of a word's bytes; overwritten by the result
   * @param count how many of them
   * @return how many tokens are left at the front of {@code symbols}
   */
  int merge(int[] symbols, int count) {
    if (count < 2) {
      return count;
    }
    return count <= SHORT ? mergeShort(symbols, count) : new LongWord(symbols, count).merge();
  }

  private int mergeShort(int[] symbols, int count) {
    int[] ranks = new int[count - 1];
    for (int i = 0; i < count - 1; i++) {
      ranks[i] = rank(symbols[i], symbols[i + 1]);
    }
    int n = count;
    while (n > 1) {
      int best = 0;
      for (int i = 1; i < n - 1; i++) {
        if (ranks[i] < ranks[best]) {
          best = i;
        }
      }
      if (ranks[best] == NONE) {
        break;
      }
      symbols[best] = merged[ranks[best]];
      n--;
      System.arraycopy(symbols, best + 2, symbols, best + 1, n - best - 1);
      if (best < n - 1) {
        System.arraycopy(ranks, best + 1, ranks, best, n - 1 - best);
        ranks[best] = rank(symbols[best], symbols[best + 1]);
      }
      if (best > 0) {
        ranks[best - 1] = rank(symbols[best - 1], symbols[best]);
      }
    }
    return n;
  }

  /** A word as a doubly linked list, with a binary heap of (rank, position) for its pairs. */
  private final class LongWord {
    private final int[] symbols;
    private final int count;
    private final int[] next;
    private final int[] previous;
    private long[] heap;
    private int heapSize;

    LongWord(int[] symbols, int count) {
      this.symbols = symbols;
      this.count = count;
      next = new int[count];
      previous = new int[count];
      heap = new long[count];
      for (int i = 0; i < count; i++) {
        next[i] = i + 1;
        previous[i] = i - 1;
      }
    }

    int merge() {
      for (int i = 0; i + 1 < count; i++) {
        offer(i);
      }
      while (heapSize > 0) {
        long top = poll();
        int at = (int) top;
        // An entry is stale when its symbol was swallowed or its pair changed since.
        if (symbols[at] >= 0 && next[at] < count) {
          int right = next[at];
          int rank = rank(symbols[at], symbols[right]);
          if (rank == top >>> 32) {
            join(at, right, merged[rank]);
          }
        }
      }
      return compact();
    }

    private void join(int at, int right, int token) {
      symbols[at] = token;
      symbols[right] = -1;
      next[at] = next[right];
      if (next[at] < count) {
        previous[next[at]] = at;
        offer(at);
      }
      if (previous[at] >= 0) {
        offer(previous[at]);
      }
    }

    private int compact() {
      int n = 0;
      for (int i = 0; i < count; i = next[i]) {
        symbols[n++] = symbols[i];
      }
      return n;
    }

    private void offer(int at) {
      int rank = rank(symbols[at], symbols[next[at]]);
      if (rank == NONE) {
        return;
      }
      if (heapSize == heap.length) {
        heap = Arrays.copyOf(heap, heapSize + (heapSize >> 1) + 1);
      }
      long entry = (long) rank << 32 | at;
      int i = heapSize++;
      while (i > 0 && heap[i - 1 >> 1] > entry) {
        heap[i] = heap[i - 1 >> 1];
        i = i - 1 >> 1;
      }
      heap[i] = entry;
    }

    private long poll() {
      long top = heap[0];
      long entry = heap[--heapSize];
      int i = 0;
      int child = 1;
      while (child < heapSize) {
        if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
          child++;
        }
        if (heap[child] >= entry) {
          break;
        }
        heap[i] = heap[child];
        i = child;
        child = 2 * i + 1;
      }
      heap[i] = entry;
      return top;
    }
  }
}
