package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class RopeTest {
  private static final int POSITIONS = 50;

  /** Inputs x, positions, cos, sin; outputs the rotated x and the inversely rotated x. */
  private static Tensor[] run(
      Kernels kernels, Fixture fixture, int heads, DType type, Tensor... in) {
    Tensor y = fixture.empty(type, in[0].rows(), in[0].cols());
    Tensor dx = fixture.empty(type, in[0].rows(), in[0].cols());
    kernels.rope().forward(in[0], heads, in[1], in[2], in[3], y);
    kernels.rope().backward(in[0], heads, in[1], in[2], in[3], dx);
    return new Tensor[] {y, dx};
  }

  /** Rotary size {@code 2 * half} of heads of {@code size}. */
  private static Tensor[] inputs(
      Kernels kernels, Fixture fixture, int rows, int heads, int size, int half) {
    Tensor cos = fixture.arena().allocate(kernels.wide(), POSITIONS, half);
    Tensor sin = fixture.arena().allocate(kernels.wide(), POSITIONS, half);
    for (int p = 0; p < POSITIONS; p++) {
      for (int i = 0; i < half; i++) {
        double angle = p * Math.pow(10_000, -(double) i / half);
        cos.set(p, i, Math.cos(angle));
        sin.set(p, i, Math.sin(angle));
      }
    }
    Tensor x = fixture.wide(rows, (long) heads * size);
    return new Tensor[] {x, fixture.integers(POSITIONS, rows), cos, sin};
  }

  private static double[][] naive(Arithmetic a, int heads, int half, Tensor... in) {
    return new double[][] {rotate(a, heads, half, 1, in), rotate(a, heads, half, -1, in)};
  }

  private static double[] rotate(Arithmetic a, int heads, int half, int direction, Tensor... in) {
    double[] x = array(in[0]);
    int cols = (int) in[0].cols();
    for (int at = 0; at < x.length; at += cols / heads) {
      long position = in[1].getLong(at / cols);
      for (int i = 0; i < half; i++) {
        double c = in[2].get(position, i);
        double s = direction * in[3].get(position, i);
        double first = x[at + i];
        double second = x[at + i + half];
        x[at + i] = a.mulAdd(first, c, -a.mul(second, s));
        x[at + i + half] = a.mulAdd(second, c, a.mul(first, s));
      }
    }
    return x;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    int[][] shapes = {{1, 2, 1}, {3, 8, 4}, {2, 16, 4}, {1, 18, 9}, {9, 64, 32}, {3, 64, 8}};
    for (int rows : Fixture.ROWS) {
      for (int[] shape : shapes) {
        int heads = shape[0];
        int half = shape[2];
        try (Fixture fixture = new Fixture(kernels, rows * 100L + half, rows % 2 == 0)) {
          Tensor[] in = inputs(kernels, fixture, rows, heads, shape[1], half);
          for (DType type : new DType[] {kernels.compute(), kernels.wide()}) {
            Tensor[] actual = run(kernels, fixture, heads, type, in);
            Tensor[] expected =
                run(Providers.REFERENCE, fixture, heads, DType.F64, fixture.exact(in));
            double[][] naive = naive(Arithmetic.of(kernels), heads, half, in);
            String size = rows + " rows, heads " + heads + " x " + shape[1] + ", half " + half;
            tolerance.add(
                "heads of " + shape[1] + ", half " + half, size, "y dx", actual, expected, naive);
          }
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void theGradientAgreesWithFiniteDifferencesAlsoWithPartialRotary() {
    for (int half : new int[] {2, 4}) {
      try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
        Kernels kernels = Providers.REFERENCE;
        Tensor[] in = inputs(kernels, fixture, 4, 2, 8, half);
        Tensor dy = fixture.wide(4, 16);
        Tensor dx = fixture.empty(DType.F64, 4, 16);
        kernels.rope().backward(dy, 2, in[1], in[2], in[3], dx);
        FiniteDifferences.check(
            "dx",
            () -> FiniteDifferences.inner(run(kernels, fixture, 2, DType.F64, in)[0], dy),
            in[0],
            dx);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void numbersPastTheRotarySizeAreCopied(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 8)) {
      Tensor[] in = inputs(kernels, fixture, 7, 3, 16, 4);
      Tensor[] out = run(kernels, fixture, 3, kernels.wide(), in);
      for (int n = 0; n < 7; n++) {
        for (int i = 0; i < 48; i++) {
          if (i % 16 >= 8) {
            assertEquals(in[0].get(n, i), out[0].get(n, i));
            assertEquals(in[0].get(n, i), out[1].get(n, i));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      Tensor[] in = inputs(kernels, own, 1, 3, 16, 4);
      for (DType type : new DType[] {kernels.compute(), kernels.wide()}) {
        Invariance.check(
            kernels,
            1,
            place -> {
              Tensor x = place.around(in[0]);
              Tensor positions = place.aroundVector(in[1]);
              return place.ownBits(
                  run(kernels, place.fixture(), 3, type, x, positions, in[2], in[3]));
            });
      }
    }
  }
}
