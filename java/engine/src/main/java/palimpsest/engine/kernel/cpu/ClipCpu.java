package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;

/** {@link Clip} on native/src/clip.cpp. */
final class ClipCpu implements Clip {
  private final CpuKernels cpu;
  private final MethodHandle exampleNorm;
  private final MethodHandle accumulate;

  ClipCpu(CpuKernels cpu) {
    this.cpu = cpu;
    exampleNorm =
        cpu.bind("clip_example_norm", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
    accumulate =
        cpu.bind(
            "clip_accumulate",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_FLOAT, JAVA_INT, ADDRESS, ADDRESS));
  }

  @Override
  public double exampleNorm(Tensor gradient) {
    cpu.requireWide(gradient);
    requireContiguous(gradient);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment normSquared = GuardedMemory.allocate(arena, Double.BYTES, Double.BYTES);
      cpu.check((int) exampleNorm.invokeExact(gradient.data(), gradient.size(), normSquared));
      return normSquared.get(JAVA_DOUBLE, 0);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public Outcome accumulate(Tensor gradient, double factor, int bound, Tensor sums) {
    cpu.requireWide(gradient);
    cpu.requireType(DType.I64, sums);
    requireContiguous(gradient, sums);
    cpu.requireSame("sizes", gradient.size(), sums.size());
    // A negative factor that is too small for a float must still drop the example.
    float single = factor < 0 ? Float.NaN : (float) factor;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment outcome = GuardedMemory.allocate(arena, Integer.BYTES, Integer.BYTES);
      cpu.check(
          (int)
              accumulate.invokeExact(
                  gradient.data(), gradient.size(), single, bound, sums.data(), outcome));
      return outcome(outcome.get(JAVA_INT, 0));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  /** The outcome of the C interface's number. */
  private static Outcome outcome(int code) {
    return switch (code) {
      case 0 -> Outcome.ACCEPTED;
      case 1 -> Outcome.REPAIRED;
      case 2 -> Outcome.DROPPED;
      default -> throw new IllegalStateException("the CPU library reported outcome " + code);
    };
  }
}
