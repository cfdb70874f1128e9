package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.LongConsumer;
import palimpsest.engine.kernel.Noise;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;

/** {@link Noise} on native/src/noise.cpp. */
final class NoiseCpu implements Noise {
  /** Elements a call: few of them are undecided, and the list has room for all. */
  private static final int CHUNK = 1 << 16;

  private final CpuKernels cpu;
  private final MethodHandle accumulate;

  NoiseCpu(CpuKernels cpu) {
    this.cpu = cpu;
    accumulate =
        cpu.bind(
            "noise_accumulate",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_INT,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_DOUBLE,
                ADDRESS,
                JAVA_LONG,
                ADDRESS));
  }

  @Override
  public void accumulate(
      Tensor sums,
      long firstElement,
      MemorySegment key,
      long step,
      double sigmaGrid,
      LongConsumer undecided) {
    int bytes = sums.type().bytes();
    int type = cpu.sumTypeOf(sums);
    if (!sums.isContiguous()) {
      throw new IllegalArgumentException("the sums must be contiguous");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment list = GuardedMemory.allocate(arena, (long) CHUNK * Long.BYTES, Long.BYTES);
      MemorySegment count = GuardedMemory.allocate(arena, Long.BYTES, Long.BYTES);
      for (long from = 0; from < sums.size(); from += CHUNK) {
        long elements = Math.min(CHUNK, sums.size() - from);
        cpu.check(
            (int)
                accumulate.invokeExact(
                    sums.data().asSlice(from * bytes),
                    type,
                    elements,
                    firstElement + from,
                    key,
                    step,
                    sigmaGrid,
                    list,
                    (long) CHUNK,
                    count));
        for (long i = 0; i < count.get(JAVA_LONG, 0); i++) {
          undecided.accept(list.getAtIndex(JAVA_LONG, i));
        }
      }
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
