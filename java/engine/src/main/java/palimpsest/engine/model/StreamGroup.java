package palimpsest.engine.model;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * New tokens of several streams, side by side, row after row: what one worker decodes at a time.
 * Each stream's earlier tokens lie in its slot of a cache, and so will its new ones.
 */
public final class StreamGroup {
  private final KeyValueCache cache;
  private final int maxRows;
  private final int maxStreams;
  private final Tensor ids;
  private final Tensor positions;
  private final Tensor spans;
  private final int[] tokenPositions;
  private int rows;
  private int streams;

  /** Copy i takes row copyFrom[i] of the group to row copyTo[i] of the cache. */
  private int[] copyFrom;

  private int[] copyTo;
  private int copies;

  /**
   * @param cache of the streams
   * @param maxRows the most new tokens
   * @param maxStreams the most streams with new tokens
   * @param arena holds the group
   */
  public StreamGroup(KeyValueCache cache, int maxRows, int maxStreams, TensorArena arena) {
    this.cache = cache;
    this.maxRows = maxRows;
    this.maxStreams = maxStreams;
    ids = arena.allocate(DType.I32, maxRows);
    positions = arena.allocate(DType.I32, maxRows);
    spans = Spans.allocate(maxStreams, arena);
    tokenPositions = new int[maxRows];
    copyFrom = new int[maxRows];
    copyTo = new int[maxRows];
  }

  /** Empties the group; the cache keeps what it holds. */
  public void clear() {
    rows = 0;
    streams = 0;
    copies = 0;
  }

  /**
   * Adds new tokens of a stream that has none in the group yet.
   *
   * @param slot the stream's
   * @param position of the first of them; the slot holds the tokens before it
   * @param tokens the new ones are {@code tokens[from .. to - 1]}
   * @return the row of the first
   */
  public int add(int slot, int position, int[] tokens, int from, int to) {
    int count = to - from;
    if (streams == maxStreams || rows + count > maxRows) {
      throw new IllegalStateException("the group is full");
    }
    if (slot < 0 || slot >= cache.slots() || position < 0 || position + count > cache.length()) {
      throw new IndexOutOfBoundsException(
          "positions "
              + position
              + " to "
              + (position + count - 1)
              + " of slot "
              + slot
              + " are not in a cache of "
              + cache.slots()
              + " slots of "
              + cache.length());
    }
    int first = rows;
    Spans.set(spans, streams, first, count, cache.row(slot, 0), position + count);
    streams++;
    for (int i = 0; i < count; i++) {
      ids.set(rows, tokens[from + i]);
      positions.set(rows, position + i);
      tokenPositions[rows] = position + i;
      rows++;
      share(first + i, slot);
    }
    return first;
  }

  /** Adds one new token of a stream, see {@link #add(int, int, int[], int, int)}. */
  public int add(int slot, int position, int token) {
    return add(slot, position, new int[] {token}, 0, 1);
  }

  /**
   * Keeps the key and value of a row in another slot too, at the same position: streams that begin
   * alike read their common tokens once.
   */
  public void share(int row, int slot) {
    if (copies == copyFrom.length) {
      copyFrom = Arrays.copyOf(copyFrom, 2 * copies);
      copyTo = Arrays.copyOf(copyTo, 2 * copies);
    }
    copyFrom[copies] = row;
    copyTo[copies] = cache.row(slot, tokenPositions[row]);
    copies++;
  }

  public int rows() {
    return rows;
  }

  public int streams() {
    return streams;
  }

  KeyValueCache cache() {
    return cache;
  }

  Tensor ids() {
    return ids.reshape(rows);
  }

  Tensor positions() {
    return positions.reshape(rows);
  }

  Spans spans() {
    return new Spans(spans, streams);
  }

  /** Puts the new tokens' keys and values of a layer where they belong. */
  void store(int layer, Tensor keys, Tensor values) {
    store(keys, cache.keys(layer));
    store(values, cache.values(layer));
  }

  private void store(Tensor from, Tensor to) {
    long bytes = to.cols() * to.type().bytes();
    long stride = from.stride() * from.type().bytes();
    for (int i = 0; i < copies; i++) {
      MemorySegment.copy(from.data(), copyFrom[i] * stride, to.data(), copyTo[i] * bytes, bytes);
    }
  }
}
