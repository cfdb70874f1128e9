package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * The one rule of closeness: the largest error of a kernel is at most twice that of a naive loop at
 * the same precision, both against float64, plus one ulp of the output type at the largest value.
 *
 * <p>Errors are compared over groups of tensors that differ in their number of rows only (the rows
 * are alike, so that is one tall tensor): over a few elements a naive loop may be lucky.
 */
final class Tolerance {
  private final Map<String, Group> groups = new LinkedHashMap<>();

  /** The largest figures so far of one output. */
  private static final class Group {
    private double scale;
    private double naiveError;
    private double error;
    private String worst = "";
    private DType type;
  }

  /**
   * Adds one case.
   *
   * @param group what the case shares with those it is pooled with
   * @param size the case itself, for the message
   * @param names of the outputs, apart by blanks
   * @param actual as the kernel wrote them
   * @param expected the float64 reference's
   * @param naive the naive loop's, not yet rounded to the output type
   */
  void add(
      String group,
      String size,
      String names,
      Tensor[] actual,
      Tensor[] expected,
      double[][] naive) {
    String[] each = names.split(" ");
    assertEquals(each.length, actual.length);
    for (int i = 0; i < each.length; i++) {
      String key = each[i] + " as " + actual[i].type() + ", " + group;
      add(groups.computeIfAbsent(key, k -> new Group()), size, actual[i], expected[i], naive[i]);
    }
  }

  private static void add(
      Group group, String size, Tensor actual, Tensor expected, double[] naive) {
    assertEquals(expected.size(), naive.length, size);
    assertEquals(expected.size(), actual.size(), size);
    group.type = actual.type();
    for (int i = 0; i < naive.length; i++) {
      double value = expected.get(i);
      assertTrue(Double.isFinite(value), size + ": the reference is not finite at " + i);
      group.scale = Math.max(group.scale, Math.abs(value));
      double rounded = round(actual.type(), naive[i]);
      group.naiveError = Math.max(group.naiveError, Math.abs(rounded - value));
      double error = Math.abs(actual.get(i) - value);
      if (!(error <= group.error)) {
        group.error = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
        group.worst = size + ": element " + i + " is " + actual.get(i) + ", float64 gives " + value;
      }
    }
  }

  /** Holds all cases against the rule. */
  void verify() {
    assertFalse(groups.isEmpty(), "nothing was compared");
    groups.forEach(Tolerance::verify);
  }

  private static void verify(String what, Group group) {
    // The naive loop must be the same function, or its error would excuse anything.
    assertTrue(
        group.naiveError <= group.scale * sanity(group.type),
        () -> what + ": reference and naive loop differ by " + group.naiveError);
    double allowed = 2 * group.naiveError + ulp(group.type, group.scale);
    assertTrue(
        group.error <= allowed,
        () -> what + ": allowed is a difference of " + allowed + "; " + group.worst);
  }

  /** Largest relative error of a naive loop that is not a mistake. */
  private static double sanity(DType type) {
    return switch (type) {
      case F64 -> 1e-12;
      case F32 -> 0.02;
      default -> 0.05;
    };
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
  private static double ulp(DType type, double value) {
    return switch (type) {
      case F64 -> Math.ulp(value);
      case F32 -> Math.ulp((float) value);
      case BF16 -> Math.ulp((float) value) * 0x1p16;
      default -> throw new IllegalArgumentException(type + " is not an output type of kernels");
    };
  }
}
