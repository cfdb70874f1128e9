package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Sample;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;

/** {@link Sample} on native/src/sample.cpp. */
final class SampleCpu implements Sample {
  private final CpuKernels cpu;
  private final MethodHandle forward;

  SampleCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "sample_forward",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_FLOAT,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_FLOAT,
                JAVA_INT,
                JAVA_FLOAT,
                ADDRESS,
                ADDRESS,
                ADDRESS));
  }

  @Override
  public void forward(
      Tensor logits, Tensor generic, Settings settings, double[] uniforms, int[] tokens) {
    cpu.requireWide(logits, generic);
    int rows = (int) logits.rows();
    cpu.requireRange(0, rows, Math.min(uniforms.length, tokens.length));
    if (generic != null) {
      cpu.requireSame("rows", rows, generic.rows());
      cpu.requireSame("columns", logits.cols(), generic.cols());
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment numbers =
          GuardedMemory.allocate(arena, (long) rows * Double.BYTES, Double.BYTES);
      MemorySegment.copy(uniforms, 0, numbers, JAVA_DOUBLE, 0, rows);
      MemorySegment drawn =
          GuardedMemory.allocate(arena, (long) rows * Integer.BYTES, Integer.BYTES);
      MemorySegment workspace =
          GuardedMemory.allocate(arena, 3 * (logits.cols() + 31) * Float.BYTES, 64);
      cpu.check(
          (int)
              forward.invokeExact(
                  logits.data(),
                  logits.stride(),
                  Arguments.address(generic),
                  Arguments.stride(generic),
                  (float) settings.guidance(),
                  (long) rows,
                  logits.cols(),
                  (float) settings.temperature(),
                  settings.topK(),
                  (float) settings.topP(),
                  numbers,
                  drawn,
                  workspace));
      MemorySegment.copy(drawn, JAVA_INT, 0, tokens, 0, rows);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
