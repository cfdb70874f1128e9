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

  /**
   * Copies the first {@code tokens} keys and values of a slot of another cache of the same model
   * into a slot of this one.
   */
  public void copy(KeyValueCache from, int fromSlot, int slot, int tokens) {
    for (int layer = 0; layer < keys.size(); layer++) {
      copy(from.keys(layer), from.row(fromSlot, 0), keys(layer), row(slot, 0), tokens);
      copy(from.values(layer), from.row(fromSlot, 0), values(layer), row(slot, 0), tokens);
    }
  }

  private static void copy(Tensor from, int fromRow, Tensor to, int row, int count) {
    to.rows(row, count).copyFrom(from.rows(fromRow, count));
  }
}
