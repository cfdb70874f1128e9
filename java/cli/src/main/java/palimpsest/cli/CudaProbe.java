package palimpsest.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;

/** Whether a CUDA driver and a card are present, asked of the driver itself. */
final class CudaProbe {
  private static final String DRIVER = "libcuda.so.1";

  private CudaProbe() {}

  /** One line: the driver's CUDA version and the number of cards, or what is missing. */
  static String describe() {
    // Global: the driver starts threads of its own and cannot be unloaded again.
    SymbolLookup driver;
    try {
      driver = SymbolLookup.libraryLookup(DRIVER, Arena.global());
    } catch (IllegalArgumentException _) {
      return "no: " + DRIVER + " not found, so no NVIDIA driver is installed";
    }
    try (Arena arena = Arena.ofConfined()) {
      int status = call(driver, "cuInit", 0);
      if (status != 0) {
        return "no: the driver is installed but cuInit failed with code " + status;
      }
      MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
      call(driver, "cuDriverGetVersion", value);
      int version = value.get(ValueLayout.JAVA_INT, 0);
      call(driver, "cuDeviceGetCount", value);
      int cards = value.get(ValueLayout.JAVA_INT, 0);
      return "%d, driver for CUDA %d.%d".formatted(cards, version / 1000, version % 1000 / 10);
    } catch (Throwable e) {
      return "no: the driver is installed but cannot be called (" + e.getClass().getName() + ")";
    }
  }

  private static int call(SymbolLookup driver, String name, Object argument) throws Throwable {
    FunctionDescriptor type =
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT,
            argument instanceof Integer ? ValueLayout.JAVA_INT : ValueLayout.ADDRESS);
    return (int)
        Linker.nativeLinker()
            .downcallHandle(driver.findOrThrow(name), type)
            .invokeWithArguments(argument);
  }
}
