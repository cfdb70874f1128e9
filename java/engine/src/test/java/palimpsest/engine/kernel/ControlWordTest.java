package palimpsest.engine.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static palimpsest.engine.kernel.Fixture.array;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** The rounding mode that a host program has set reaches no kernel, and is still set afterwards. */
class ControlWordTest {
  private static final int NEAREST = 0;
  private static final int UPWARD = 0x800;

  private static MethodHandle function(String name, FunctionDescriptor descriptor) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
  }

  static Stream<CpuTier> tiers() {
    return Stream.of(CpuTier.values()).filter(CpuLibrary.get()::supports);
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void anotherRoundingModeChangesNothing(CpuTier tier) throws Throwable {
    MethodHandle set = function("fesetround", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    MethodHandle get = function("fegetround", FunctionDescriptor.of(JAVA_INT));
    try (Kernels kernels = new CpuKernels(tier, DType.F32);
        Fixture fixture = new Fixture(kernels, 7)) {
      Tensor x = fixture.wide(5, 37);
      Tensor weight = fixture.wide(37);
      Tensor usual = fixture.empty(kernels.wide(), 5, 37);
      Tensor other = fixture.empty(kernels.wide(), 5, 37);
      Tensor rstd = fixture.empty(kernels.wide(), 5);
      kernels.rmsnorm().backward(x, x, weight, rstd.fill(0.3), usual.fill(0));
      other.fill(0);
      assertEquals(0, (int) set.invokeExact(UPWARD));
      int left;
      try {
        kernels.rmsnorm().backward(x, x, weight, rstd, other);
        left = (int) get.invokeExact();
      } finally {
        assertEquals(0, (int) set.invokeExact(NEAREST));
      }
      assertEquals(UPWARD, left);
      assertArrayEquals(array(usual), array(other));
    }
  }
}
