package palimpsest.engine.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Memory for tensors outside the Java heap: 64-byte aligned, zero-filled, freed together by {@link
 * #close}. Counts what it holds, so that a plan can be compared with what was really allocated.
 */
public final class TensorArena implements AutoCloseable {
  private static final long ALIGNMENT = 64;
  private static final AtomicLong EVER = new AtomicLong();

  private final Arena arena = Arena.ofShared();
  private final boolean countsOnly;
  private final AtomicLong bytes = new AtomicLong();

  /** An arena with memory. */
  public TensorArena() {
    this(false);
  }

  private TensorArena(boolean countsOnly) {
    this.countsOnly = countsOnly;
  }

  /**
   * An arena without memory, which counts what would be needed: a plan must not take what it is to
   * foresee. Its tensors have shapes alone; nothing may read or write them.
   */
  public static TensorArena counting() {
    return new TensorArena(true);
  }

  /** A zero-filled contiguous tensor. */
  public Tensor allocate(DType type, long... shape) {
    long size = 1;
    for (long dimension : shape) {
      size = Math.multiplyExact(size, dimension);
    }
    long needed = Math.multiplyExact(size, type.bytes());
    bytes.addAndGet(needed);
    if (countsOnly) {
      return Tensor.of(MemorySegment.NULL.reinterpret(needed), type, shape);
    }
    MemorySegment segment = GuardedMemory.allocate(arena, needed, ALIGNMENT);
    EVER.addAndGet(needed);
    return Tensor.of(segment, type, shape);
  }

  /**
   * Bytes that all arenas of this process ever gave. While it stands still, work is done in memory
   * that was taken before.
   */
  public static long everGiven() {
    return EVER.get();
  }

  /** Bytes held now. */
  public long bytes() {
    return bytes.get();
  }

  @Override
  public void close() {
    arena.close();
  }
}
