package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.DoubleSupplier;
import palimpsest.engine.tensor.Tensor;

/** Checks analytic gradients of the float64 reference. */
public final class FiniteDifferences {
  private static final double STEP = 1e-5;
  private static final double RELATIVE = 1e-6;

  private FiniteDifferences() {}

  /**
   * Central differences of {@code loss} in every element of {@code point} agree with {@code
   * gradient}, relative to its largest element.
   *
   * @param loss computed anew from the tensors at each call
   */
  public static void check(String what, DoubleSupplier loss, Tensor point, Tensor gradient) {
    double scale = 0;
    for (long i = 0; i < gradient.size(); i++) {
      scale = Math.max(scale, Math.abs(gradient.get(i)));
    }
    for (long i = 0; i < point.size(); i++) {
      double value = point.get(i);
      point.set(i, value + STEP);
      double above = loss.getAsDouble();
      point.set(i, value - STEP);
      double below = loss.getAsDouble();
      point.set(i, value);
      assertEquals(
          (above - below) / (2 * STEP), gradient.get(i), scale * RELATIVE, what + " at " + i);
    }
  }

  /** Sum of products: a loss whose gradient at {@code output} is {@code cotangent}. */
  static double inner(Tensor output, Tensor cotangent) {
    double sum = 0;
    for (long i = 0; i < output.size(); i++) {
      sum += output.get(i) * cotangent.get(i);
    }
    return sum;
  }
}
