package palimpsest.synth.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/** The roof of memory: a copy between two areas that no cache holds, on the calling thread. */
final class CopyProbe implements AutoCloseable {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private static final long BYTES = 128L << 20;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment from = arena.allocate(BYTES, 64);
  private final MemorySegment to = arena.allocate(BYTES, 64);

  /** GB/s read and written, by processor time. */
  double one() {
    long start = THREADS.getCurrentThreadCpuTime();
    to.copyFrom(from);
    return 2.0 * BYTES / (THREADS.getCurrentThreadCpuTime() - start);
  }

  @Override
  public void close() {
    arena.close();
  }
}
