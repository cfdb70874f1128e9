package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** Argument checks. Messages name shapes and types, never contents, which may be private. */
final class Check {
  private Check() {}

  /** Requires {@code rows x cols}. */
  static void matrix(String what, Tensor tensor, long rows, long cols) {
    if (tensor.rows() != rows || tensor.cols() != cols) {
      throw new IllegalArgumentException(
          what + " is " + tensor + ", needed are " + rows + " rows of " + cols);
    }
  }

  /** Requires {@code size} elements. */
  static void vector(String what, Tensor tensor, long size) {
    if (tensor.size() != size) {
      throw new IllegalArgumentException(
          what + " is " + tensor + ", needed are " + size + " elements");
    }
  }

  /** Requires one of {@code types}. */
  static void type(String what, Tensor tensor, DType... types) {
    if (!Arrays.asList(types).contains(tensor.type())) {
      throw new IllegalArgumentException(
          what + " is " + tensor + ", needed is " + Arrays.toString(types));
    }
  }

  /** Requires {@code 0 <= from <= to <= rows}. */
  static void range(long from, long to, long rows) {
    if (from < 0 || from > to || to > rows) {
      throw new IllegalArgumentException(
          "rows [" + from + ", " + to + ") do not lie in [0, " + rows + ")");
    }
  }

  /**
   * Element {@code row} of the I32 tensor {@code indices}, required to lie in {@code [0, limit)}.
   */
  static int index(String what, Tensor indices, long row, long limit) {
    long index = indices.getLong(row);
    if (index < 0 || index >= limit) {
      throw new IllegalArgumentException(what + " has an element outside [0, " + limit + ")");
    }
    return (int) index;
  }

  /** {@code object} as this provider's own class. */
  static <T> T own(String what, Object object, Class<T> type) {
    if (!type.isInstance(object)) {
      throw new IllegalArgumentException(what + " were not packed by the reference provider");
    }
    return type.cast(object);
  }
}
