package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The liveness table of a pass: between which moments each buffer holds what is still to be read.
 * Buffers that are never alive together are given the same memory, the first that is large enough,
 * so that those of most bytes should be asked for first.
 */
final class Liveness {
  /**
   * When buffers are written and read, in the order of a pass. Those from {@link #ATTENTION_NORM}
   * to {@link #DOWN} come once a block, from the first to the last, and those from {@link #D_DOWN}
   * to {@link #D_ATTENTION_NORM} once a block, from the last to the first. Where a block is
   * computed again, its former come right before its latter.
   */
  enum Moment {
    EMBEDDING,
    ATTENTION_NORM,
    PROJECTION,
    ROTATION,
    ATTENTION,
    ATTENTION_OUTPUT,
    FEED_FORWARD_NORM,
    UP,
    ACTIVATION,
    DOWN,
    HEAD,
    D_HEAD,
    D_DOWN,
    D_ACTIVATION,
    D_UP,
    D_FEED_FORWARD_NORM,
    D_ATTENTION_OUTPUT,
    D_ATTENTION,
    D_ROTATION,
    D_PROJECTION,
    D_ATTENTION_NORM,
    D_EMBEDDING,
    /** Whoever asked for the pass reads what it left. */
    AFTER
  }

  /**
   * A buffer.
   *
   * @param name in the words of {@link Activations}
   * @param memory which of the table's pieces of memory it begins with
   * @param from when it is written first
   * @param to when it is read last; nothing else is in its memory between the two
   */
  record Row(String name, int memory, long bytes, Moment from, Moment to) {
    boolean meets(Row other) {
      return from.compareTo(other.to) <= 0 && other.from.compareTo(to) <= 0;
    }
  }

  private final TensorArena arena;
  private final List<Row> rows = new ArrayList<>();
  private final List<Tensor> memories = new ArrayList<>();

  /** Holds all memory in that arena. */
  Liveness(TensorArena arena) {
    this.arena = arena;
  }

  /**
   * A buffer that is alive through the moments from {@code from} to {@code to}, in every block
   * between which it stands.
   */
  Tensor buffer(String name, Moment from, Moment to, DType type, long... shape) {
    long numbers = 1;
    for (long dimension : shape) {
      numbers = Math.multiplyExact(numbers, dimension);
    }
    long bytes = Math.multiplyExact(numbers, type.bytes());
    // A guard stands at the end of a piece of memory, so that each buffer needs its own then.
    int shared = GuardedMemory.isGuarded() ? 0 : memories.size();
    for (int i = 0; i < shared; i++) {
      Row row = new Row(name, i, bytes, from, to);
      Tensor memory = memories.get(i);
      if (memory.data().byteSize() >= bytes && isFree(row)) {
        rows.add(row);
        return Tensor.of(memory.data().asSlice(0, bytes), type, shape);
      }
    }
    Tensor memory = arena.allocate(type, shape);
    rows.add(new Row(name, memories.size(), bytes, from, to));
    memories.add(memory);
    return memory;
  }

  /** A buffer that is alive through the whole pass, whatever block it belongs to, and after it. */
  Tensor kept(String name, DType type, long... shape) {
    return buffer(name, Moment.EMBEDDING, Moment.AFTER, type, shape);
  }

  private boolean isFree(Row wanted) {
    return rows.stream().noneMatch(row -> row.memory() == wanted.memory() && row.meets(wanted));
  }

  /** All buffers in the order in which they were asked for. */
  List<Row> rows() {
    return Collections.unmodifiableList(rows);
  }

  /** Bytes of memory that they share. */
  long bytes() {
    return memories.stream().mapToLong(memory -> memory.data().byteSize()).sum();
  }

  /** Fills all memory with bytes that are NaN in every type. */
  void poison() {
    memories.forEach(memory -> memory.data().fill((byte) 0xff));
  }
}
