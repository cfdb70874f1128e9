package palimpsest.synth.text;

import java.util.Arrays;

/** A growing array of int. */
final class IntList {
  private int[] values;
  private int size;

  IntList(int capacity) {
    values = new int[Math.max(2, capacity)];
  }

  /** Keeps the first {@code count} at most. */
  void cut(int count) {
    size = Math.min(size, count);
  }

  void add(int value) {
    if (size == values.length) {
      values = Arrays.copyOf(values, size + (size >> 1));
    }
    values[size++] = value;
  }

  int size() {
    return size;
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}
