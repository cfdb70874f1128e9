package palimpsest.synth.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The roof of memory: a copy between two areas that no cache holds, on the calling thread. */
final class CopyProbe implements AutoCloseable {
  private static final long BYTES = 128L << 20;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment from = arena.allocate(BYTES, 64);
  private final MemorySegment to = arena.allocate(BYTES, 64);

  /** GB/s read and written. */
  double one() {
    long start = System.nanoTime();
    to.copyFrom(from);
    return 2.0 * BYTES / (System.nanoTime() - start);
  }

  @Override
  public void close() {
    arena.close();
  }
}
