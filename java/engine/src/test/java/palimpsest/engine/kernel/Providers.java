package palimpsest.engine.kernel;

import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;

/** Every provider that the kernel tests run over: one line here and all of them apply. */
final class Providers {
  /** For {@code @MethodSource}. */
  static final String ALL = "palimpsest.engine.kernel.Providers#all";

  /** The oracle. */
  static final Kernels REFERENCE = new ReferenceKernels();

  private Providers() {}

  static Stream<Named<Kernels>> all() {
    return Stream.of(
            REFERENCE,
            new ReferenceKernels(DType.F32, DType.F32),
            new ReferenceKernels(DType.BF16, DType.F32))
        .map(kernels -> Named.of(kernels.name(), kernels));
  }
}
