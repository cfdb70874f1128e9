package palimpsest.engine.kernel.cpu;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.tensor.DType;
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

  /** Requires the starts of {@code count} examples, and the end of the last, within some rows. */
  static void requireStarts(Tensor starts, int count, long rows) {
    if (starts.size() <= count || starts.getLong(count) > rows) {
      throw new IllegalArgumentException(
          "the starts of " + count + " examples do not lie in " + rows + " rows");
    }
  }

  /** Requires the rows of examples' gradients, [from, to), of a table with such columns. */
  static void requireRows(CpuKernels cpu, EmbeddingRows rows, int from, int to, long cols) {
    cpu.requireType(DType.I32, rows.starts(), rows.ids(), rows.rows());
    cpu.requireWide(rows.values());
    requireContiguous(rows.starts(), rows.ids(), rows.rows());
    cpu.requireSame("columns", cols, rows.values().cols());
    requireStarts(rows.starts(), to, Math.min(rows.ids().size(), rows.rows().size()));
    for (long i = rows.starts().getLong(from); i < rows.starts().getLong(to); i++) {
      if (rows.rows().getLong(i) < 0 || rows.rows().getLong(i) >= rows.values().rows()) {
        throw new IllegalArgumentException("a row of the embedding's gradient is not there");
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
