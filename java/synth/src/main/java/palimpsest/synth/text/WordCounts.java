package palimpsest.synth.text;

import java.security.SecureRandom;
import java.util.Arrays;

/**
 * How often each distinct word of a text occurs. Words have numbers from 0 in the order of their
 * first occurrence; their bytes lie one after the other in one array, and an open-addressed table
 * finds them. Memory is their bytes and about 25 bytes a distinct word, however long the text is.
 */
final class WordCounts {
  /** So that the cells of {@link PairCounts} can be numbered by int. */
  static final int MAX_BYTES = 1 << 30;

  /** Random, so that no text can be made whose words all share a slot. */
  private static final long MULTIPLIER = new SecureRandom().nextLong() | 1;

  private final int mostBytes;
  private byte[] bytes = new byte[1 << 12];
  private int[] ends = new int[1 << 8];
  private long[] counts = new long[1 << 8];
  private int size;
  private int[] slots = new int[1 << 9];
  private int shift = 64 - 9;

  /**
   * @param mostBytes bytes of all distinct words together, at most {@link #MAX_BYTES}
   */
  WordCounts(int mostBytes) {
    this.mostBytes = mostBytes;
    Arrays.fill(slots, -1);
  }

  /**
   * Counts the word [from, to) of a text once more.
   *
   * @throws InputException if the distinct words together become too long
   */
  void add(byte[] text, int from, int to) {
    int slot = slot(text, from, to);
    while (slots[slot] >= 0) {
      int word = slots[slot];
      if (Arrays.equals(bytes, start(word), ends[word], text, from, to)) {
        counts[word]++;
        return;
      }
      slot = slot + 1 & slots.length - 1;
    }
    slots[slot] = size;
    append(text, from, to);
    if (2 * size > slots.length) {
      enlarge();
    }
  }

  private void append(byte[] text, int from, int to) {
    int start = byteCount();
    int length = to - from;
    if (length > mostBytes - start) {
      throw new InputException(
          "the texts have over "
              + mostBytes
              + " bytes of distinct words, more than the Java heap has room for; use part of them,"
              + " or allow a larger heap, such as PALIMPSEST_JAVA_OPTS=-Xmx8g");
    }
    if (start + length > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(start + length, bytes.length + (bytes.length >> 1)));
    }
    System.arraycopy(text, from, bytes, start, length);
    if (size == ends.length) {
      ends = Arrays.copyOf(ends, 2 * size);
      counts = Arrays.copyOf(counts, 2 * size);
    }
    ends[size] = start + length;
    counts[size] = 1;
    size++;
  }

  private void enlarge() {
    slots = new int[2 * slots.length];
    shift--;
    Arrays.fill(slots, -1);
    for (int word = 0; word < size; word++) {
      int slot = slot(bytes, start(word), ends[word]);
      while (slots[slot] >= 0) {
        slot = slot + 1 & slots.length - 1;
      }
      slots[slot] = word;
    }
  }

  private int slot(byte[] text, int from, int to) {
    long hash = to - from;
    for (int i = from; i < to; i++) {
      hash = (hash + text[i]) * MULTIPLIER;
    }
    return (int) (hash >>> shift);
  }

  /** Number of distinct words. */
  int size() {
    return size;
  }

  /** Bytes of all distinct words together. */
  int byteCount() {
    return size == 0 ? 0 : ends[size - 1];
  }

  /** How often the word occurs. */
  long count(int word) {
    return counts[word];
  }

  /** Where the word's first byte lies among the bytes of all words. */
  int start(int word) {
    return word == 0 ? 0 : ends[word - 1];
  }

  /** One past the word's last byte. */
  int end(int word) {
    return ends[word];
  }

  /** Byte 0..{@link #byteCount()}-1 of all distinct words, as 0..255. */
  int unsignedByte(int at) {
    return bytes[at] & 0xFF;
  }

  /** Whether no word has anything but spaces and control characters. */
  boolean isBlank() {
    for (int i = 0; i < byteCount(); i++) {
      if (unsignedByte(i) > ' ') {
        return false;
      }
    }
    return true;
  }
}
