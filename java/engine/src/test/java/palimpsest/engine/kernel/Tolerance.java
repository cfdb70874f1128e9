package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * The one rule of closeness: the largest error of a kernel over a tensor is at most twice that of a
 * naive loop at the same precision, both against float64, plus one ulp of the output type at the
 * tensor's largest value.
 */
final class Tolerance {
  private Tolerance() {}

  /**
   * @param actual as the kernel wrote it
   * @param expected the float64 reference's
   * @param naive the naive loop's, not yet rounded to the output type
   */
  static void check(String what, Tensor actual, Tensor expected, double[] naive) {
    assertEquals(expected.size(), naive.length, what);
    double scale = 0;
    double naiveError = 0;
    for (int i = 0; i < naive.length; i++) {
      assertTrue(Double.isFinite(expected.get(i)), what + ": the reference is not finite at " + i);
      scale = Math.max(scale, Math.abs(expected.get(i)));
      double rounded = round(actual.type(), naive[i]);
      naiveError = Math.max(naiveError, Math.abs(rounded - expected.get(i)));
    }
    // The naive loop must be the same function, or its error would excuse anything.
    assertTrue(
        naiveError <= scale * sanity(actual.type()) || naiveError <= nothing(actual.type()),
        what + ": reference and naive loop differ by " + naiveError + " at scale " + scale);
    double allowed = 2 * naiveError + ulp(actual.type(), scale);
    for (int i = 0; i < naive.length; i++) {
      double error = Math.abs(actual.get(i) - expected.get(i));
      assertTrue(
          error <= allowed,
          what
              + (": element " + i + " is " + actual.get(i) + ", float64 gives " + expected.get(i))
              + (", allowed is a difference of " + allowed));
    }
  }

  /** {@link #check} of several outputs; {@code names} are their names, apart by blanks. */
  static void checkAll(
      String size, String names, Tensor[] actual, Tensor[] expected, double[][] naive) {
    String[] each = names.split(" ");
    assertEquals(each.length, actual.length);
    for (int i = 0; i < each.length; i++) {
      check(each[i] + ", " + size, actual[i], expected[i], naive[i]);
    }
  }

  private static double sanity(DType type) {
    return switch (type) {
      case F64 -> 1e-11;
      case F32 -> 0.02;
      default -> 0.05;
    };
  }

  /** What may be left, with bfloat16 operands, of a sum that is zero in exact arithmetic. */
  private static double nothing(DType type) {
    return type == DType.F64 ? 1e-14 : 0.05;
  }

  /** The nearest value of {@code type}. */
  static double round(DType type, double value) {
    return switch (type) {
      case F64 -> value;
      case F32 -> (float) value;
      case BF16 -> DType.fromBf16(DType.toBf16((float) value));
      default -> throw new IllegalArgumentException(type + " is not an output type of kernels");
    };
  }

  /** The distance from {@code value} to the next larger value of {@code type}. */
  static double ulp(DType type, double value) {
    return switch (type) {
      case F64 -> Math.ulp(value);
      case F32 -> Math.ulp((float) value);
      case BF16 -> Math.ulp((float) value) * 0x1p16;
      default -> throw new IllegalArgumentException(type + " is not an output type of kernels");
    };
  }
}
