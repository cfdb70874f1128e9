package palimpsest.engine.kernel.cpu;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.tensor.Tensor;

/** Checks and conversions that the bindings of row-wise kernels share. */
final class Arguments {
  private Arguments() {}

  /** The address of a tensor's first element; the null pointer for null. */
  static MemorySegment address(Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : tensor.data();
  }

  /** The distance between a tensor's rows; 0 for null. */
  static long stride(Tensor tensor) {
    return tensor == null ? 0 : tensor.stride();
  }

  /**
   * Requires tensors whose elements lie one after the other: the kernel takes no leading dimension
   * for them.
   */
  static void requireContiguous(Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && !tensor.isContiguous()) {
        throw new IllegalArgumentException(
            "expected contiguous elements, got rows " + tensor.stride() + " apart in " + tensor);
      }
    }
  }

  /** Requires {@code tensor} to be there exactly when {@code needed}. */
  static void requirePresence(String what, boolean needed, Tensor tensor) {
    if (needed != (tensor != null)) {
      throw new IllegalArgumentException(what + (needed ? " is needed" : " must be null"));
    }
  }
}
