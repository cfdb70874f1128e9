package palimpsest.engine.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;

/** Every provider that the kernel tests run over: one line here and all of them apply. */
final class Providers {
  /** For {@code @MethodSource}. */
  static final String ALL = "palimpsest.engine.kernel.Providers#all";

  /** The oracle. */
  static final Kernels REFERENCE = new ReferenceKernels();

  private static final List<Kernels> OPEN = open();

  private Providers() {}

  private static List<Kernels> open() {
    List<Kernels> providers = new ArrayList<>();
    providers.add(REFERENCE);
    // Exact arithmetic, stored in the types of the fast providers: their tests, always runnable.
    providers.add(new ReferenceKernels(DType.BF16, DType.F32));
    for (CpuTier tier : CpuTier.values()) {
      if (CpuLibrary.get().supports(tier)) {
        providers.add(new CpuKernels(tier, DType.F32));
        providers.add(new CpuKernels(tier, DType.BF16));
      }
    }
    return providers;
  }

  static Stream<Named<Kernels>> all() {
    return OPEN.stream().map(kernels -> Named.of(kernels.name(), kernels));
  }
}
