package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Keys and values of earlier tokens, for a fixed number of slots of a fixed length each. */
public final class KeyValueCache {
  private final int slots;
  private final int length;
  private final List<Tensor> keys = new ArrayList<>();
  private final List<Tensor> values = new ArrayList<>();

  /**
   * @param slots how many streams
   * @param length the most tokens a stream can have
   * @param arena holds the cache
   */
  public KeyValueCache(
      DecoderConfig config, int slots, int length, Kernels kernels, TensorArena arena) {
    this.slots = slots;
    this.length = length;
    long width = config.attention().keyWidth();
    for (int layer = 0; layer < config.layers(); layer++) {
      keys.add(arena.allocate(kernels.compute(), (long) slots * length, width));
      values.add(arena.allocate(kernels.compute(), (long) slots * length, width));
    }
  }

  public int slots() {
    return slots;
  }

  public int length() {
    return length;
  }

  /** Row of a slot's token at a position. */
  int row(int slot, int position) {
    return slot * length + position;
  }

  Tensor keys(int layer) {
    return keys.get(layer);
  }

  Tensor values(int layer) {
    return values.get(layer);
  }

  /** Copies the first {@code tokens} keys and values of one slot to another. */
  public void copy(int from, int to, int tokens) {
    for (int layer = 0; layer < keys.size(); layer++) {
      for (Tensor tensor : List.of(keys.get(layer), values.get(layer))) {
        tensor.rows(row(to, 0), tokens).copyFrom(tensor.rows(row(from, 0), tokens));
      }
    }
  }
}
