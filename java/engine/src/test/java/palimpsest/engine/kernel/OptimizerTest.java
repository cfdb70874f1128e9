package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Optimizer.AdamW;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class OptimizerTest {
  private static final AdamW SETTINGS = new AdamW(3e-3, 0.9, 0.99, 1e-8, 0.1);
  private static final double GRAD_SCALE = 0x1p-14;
  private static final int STEPS = 12;

  private static Tensor sums(Fixture fixture, int count, int step) {
    Tensor sums = fixture.arena().allocate(DType.I64, count);
    for (int i = 0; i < count; i++) {
      sums.setLong(i, (long) ((20_000 + 500L * step) * Math.sin(i + 1.0 + 0.1 * step)));
    }
    return sums;
  }

  /** Parameters and both moments after some steps. */
  private static Tensor[] run(Kernels kernels, Fixture fixture, Tensor start) {
    int count = (int) start.size();
    Tensor parameters = fixture.copy(start, kernels.wide());
    Tensor first = fixture.arena().allocate(kernels.wide(), count);
    Tensor second = fixture.arena().allocate(kernels.wide(), count);
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, count, step);
      kernels.optimizer().update(sums, GRAD_SCALE, SETTINGS, step, parameters, first, second);
    }
    return new Tensor[] {parameters, first, second};
  }

  /** Loshchilov and Hutter 2019, algorithm 2, with state of the output's type. */
  private static double[][] naive(Arithmetic a, Fixture fixture, Tensor start) {
    int count = (int) start.size();
    double[] p = array(start);
    double[] m = new double[count];
    double[] v = new double[count];
    double lr = a.round(SETTINGS.learningRate());
    double b1 = a.round(SETTINGS.beta1());
    double b2 = a.round(SETTINGS.beta2());
    for (int step = 1; step <= STEPS; step++) {
      double c1 = a.round(1 - Math.pow(SETTINGS.beta1(), step));
      double c2 = a.round(1 - Math.pow(SETTINGS.beta2(), step));
      Tensor sums = sums(fixture, count, step);
      for (int i = 0; i < count; i++) {
        double g = a.mul(a.round(sums.getLong(i)), a.round(GRAD_SCALE));
        m[i] = a.mulAdd(b1, m[i], a.mul(a.add(1, -b1), g));
        v[i] = a.mulAdd(b2, v[i], a.mul(a.add(1, -b2), a.mul(g, g)));
        double root = a.add(a.round(Math.sqrt(a.round(v[i] / c2))), a.round(SETTINGS.epsilon()));
        double direction = a.round(a.round(m[i] / c1) / root);
        double decay = a.mul(a.round(SETTINGS.weightDecay()), p[i]);
        p[i] = a.add(p[i], -a.mul(lr, a.add(direction, decay)));
      }
    }
    return new double[][] {p, m, v};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int count : new int[] {1, 2, 7, 16, 17, 53, 576, 1001}) {
      try (Fixture fixture = new Fixture(kernels, count)) {
        Tensor start = fixture.wide(count);
        Tensor[] actual = run(kernels, fixture, start);
        Tensor[] expected = run(Providers.REFERENCE, fixture, fixture.copy(start, DType.F64));
        // Without a bfloat16 anywhere: this kernel has no operands of matrix products.
        double[][] naive = naive(new Arithmetic(kernels.wide()), fixture, start);
        tolerance.add("any count", count + " parameters", "p m v", actual, expected, naive);
      }
    }
    tolerance.verify();
  }

  /** What a sum is held in is nobody's business. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void sumsOfAnyTypeMoveTheParametersAlike(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      Tensor start = fixture.wide(53);
      double[] expected = null;
      for (DType type : new DType[] {DType.I64, DType.I32, kernels.wide()}) {
        Tensor parameters = fixture.copy(start, kernels.wide());
        Tensor first = fixture.wide(53).fill(0);
        Tensor second = fixture.wide(53).fill(0);
        for (int step = 1; step <= 3; step++) {
          Tensor sums = fixture.arena().allocate(type, 53).copyFrom(sums(fixture, 53, step));
          kernels.optimizer().update(sums, GRAD_SCALE, SETTINGS, step, parameters, first, second);
        }
        expected = expected == null ? array(parameters) : expected;
        assertArrayEquals(expected, array(parameters), type.name());
      }
      Tensor none = fixture.arena().allocate(DType.I16, 53);
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.optimizer().update(none, 1, SETTINGS, 1, start, start, start));
    }
  }

  /** At the first step the corrected moments are g and g^2: the step is lr * sign(g). */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theFirstStepIsTheLearningRate(Kernels kernels) {
    AdamW settings = new AdamW(0.5, 0.9, 0.999, 0, 0);
    try (Fixture fixture = new Fixture(kernels, 1)) {
      Tensor sums = fixture.arena().allocate(DType.I64, 2);
      sums.setLong(0, 123);
      sums.setLong(1, -4_567_890);
      Tensor parameters = fixture.wide(2).fill(0);
      Tensor first = fixture.wide(2).fill(0);
      Tensor second = fixture.wide(2).fill(0);
      kernels.optimizer().update(sums, 1e-3, settings, 1, parameters, first, second);
      assertEquals(-0.5, parameters.get(0), 1e-6);
      assertEquals(0.5, parameters.get(1), 1e-6);
    }
  }

  /** An empty draw: decay and momentum go on. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aSumOfZeroStillDecays(Kernels kernels) {
    AdamW settings = new AdamW(0.5, 0.9, 0.999, 1e-8, 0.25);
    try (Fixture fixture = new Fixture(kernels, 1)) {
      Tensor sums = fixture.arena().allocate(DType.I64, 3);
      Tensor parameters = fixture.wide(3).fill(2);
      Tensor first = fixture.wide(3).fill(0);
      Tensor second = fixture.wide(3).fill(0);
      kernels.optimizer().update(sums, 1, settings, 1, parameters, first, second);
      assertEquals(1.75, parameters.get(1), 1e-6);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void findsTheMinimumOfAParabola(Kernels kernels) {
    AdamW settings = new AdamW(0.02, 0.9, 0.999, 1e-8, 0);
    try (Fixture fixture = new Fixture(kernels, 1)) {
      Tensor parameters = fixture.wide(5);
      Tensor first = fixture.wide(5).fill(0);
      Tensor second = fixture.wide(5).fill(0);
      Tensor sums = fixture.arena().allocate(DType.I64, 5);
      for (int step = 1; step <= 1000; step++) {
        for (int i = 0; i < 5; i++) {
          sums.setLong(i, Math.round((parameters.get(i) - i) * 1e6));
        }
        kernels.optimizer().update(sums, 1e-6, settings, step, parameters, first, second);
      }
      for (int i = 0; i < 5; i++) {
        assertTrue(Math.abs(parameters.get(i) - i) < 0.02, "parameter " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void stepsAreCountedFromOne(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 1)) {
      Tensor t = fixture.wide(3);
      Tensor sums = fixture.arena().allocate(DType.I64, 3);
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.optimizer().update(sums, 1, SETTINGS, 0, t, t, t));
    }
  }
}
