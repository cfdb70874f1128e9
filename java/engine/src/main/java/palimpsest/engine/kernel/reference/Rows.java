package palimpsest.engine.kernel.reference;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** Copies between tensor rows of any float type and arrays of doubles. */
final class Rows {
  private Rows() {}

  /** Row {@code row} of {@code tensor}, exactly, to {@code into[offset ..]}. */
  static void read(Tensor tensor, long row, double[] into, int offset) {
    int cols = Math.toIntExact(tensor.cols());
    long start = row * tensor.stride() * tensor.type().bytes();
    MemorySegment data = tensor.data();
    switch (tensor.type()) {
      case F64 -> MemorySegment.copy(data, JAVA_DOUBLE_UNALIGNED, start, into, offset, cols);
      case F32 -> {
        for (int i = 0; i < cols; i++) {
          into[offset + i] = data.get(JAVA_FLOAT_UNALIGNED, start + i * 4L);
        }
      }
      case BF16 -> {
        for (int i = 0; i < cols; i++) {
          into[offset + i] = DType.fromBf16(data.get(JAVA_SHORT_UNALIGNED, start + i * 2L));
        }
      }
      default -> {
        for (int i = 0; i < cols; i++) {
          into[offset + i] = tensor.get(row, i);
        }
      }
    }
  }

  /** Rows {@code [from, to)} of {@code tensor}, one after the other. */
  static double[] range(Tensor tensor, long from, long to) {
    int cols = Math.toIntExact(tensor.cols());
    int rows = Math.toIntExact(to - from);
    double[] values = new double[Math.multiplyExact(rows, cols)];
    for (int n = 0; n < rows; n++) {
      read(tensor, from + n, values, n * cols);
    }
    return values;
  }

  /** All elements of {@code tensor}, row by row. */
  static double[] all(Tensor tensor) {
    return range(tensor, 0, tensor.rows());
  }

  /** Writes {@code from[offset ..]} to row {@code row}, rounded to the tensor's type. */
  static void write(Tensor tensor, long row, double[] from, int offset) {
    int cols = Math.toIntExact(tensor.cols());
    if (tensor.type() == DType.F64) {
      long start = row * tensor.stride() * tensor.type().bytes();
      MemorySegment.copy(from, offset, tensor.data(), JAVA_DOUBLE_UNALIGNED, start, cols);
      return;
    }
    for (int i = 0; i < cols; i++) {
      tensor.set(row, i, from[offset + i]);
    }
  }

  /** Adds {@code from[offset ..]} to row {@code row}. */
  static void add(Tensor tensor, long row, double[] from, int offset) {
    int cols = Math.toIntExact(tensor.cols());
    for (int i = 0; i < cols; i++) {
      tensor.set(row, i, tensor.get(row, i) + from[offset + i]);
    }
  }

  /** Adds {@code from} to the tensor's elements, row by row. */
  static void addAll(Tensor tensor, double[] from) {
    int cols = Math.toIntExact(tensor.cols());
    for (int row = 0; row < tensor.rows(); row++) {
      add(tensor, row, from, row * cols);
    }
  }

  /** {@code y[yOffset ..] += scale * x[xOffset ..]}, {@code count} elements. */
  static void axpy(double scale, double[] x, int xOffset, double[] y, int yOffset, int count) {
    for (int i = 0; i < count; i++) {
      y[yOffset + i] += scale * x[xOffset + i];
    }
  }
}
