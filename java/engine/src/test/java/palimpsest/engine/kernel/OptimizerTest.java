package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static palimpsest.engine.kernel.Fixture.array;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Optimizer.Adafactor;
import palimpsest.engine.kernel.Optimizer.Adam;
import palimpsest.engine.kernel.Optimizer.AdamW;
import palimpsest.engine.kernel.Optimizer.Adaptive;
import palimpsest.engine.kernel.Optimizer.Sgd;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class OptimizerTest {
  private static final AdamW SETTINGS = new AdamW(3e-3, 0.9, 0.99, 1e-8, 0.1);
  private static final Adam COUPLED = new Adam(3e-3, 0.9, 0.99, 1e-8, 0.1);
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
  private static Tensor[] run(Kernels kernels, Fixture fixture, Tensor start, Adaptive settings) {
    int count = (int) start.size();
    Tensor parameters = fixture.copy(start, kernels.wide());
    Tensor first = fixture.arena().allocate(kernels.wide(), count);
    Tensor second = fixture.arena().allocate(kernels.wide(), count);
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, count, step);
      kernels.optimizer().update(sums, GRAD_SCALE, settings, step, parameters, first, second);
    }
    return new Tensor[] {parameters, first, second};
  }

  /** Loshchilov and Hutter 2019, algorithm 2, with state of the output's type. */
  private static double[][] naive(Arithmetic a, Fixture fixture, Tensor start, Adaptive settings) {
    boolean decoupled = settings instanceof AdamW;
    int count = (int) start.size();
    double[] p = array(start);
    double[] m = new double[count];
    double[] v = new double[count];
    double lr = a.round(settings.learningRate());
    double b1 = a.round(settings.beta1());
    double b2 = a.round(settings.beta2());
    for (int step = 1; step <= STEPS; step++) {
      double c1 = a.round(1 - Math.pow(settings.beta1(), step));
      double c2 = a.round(1 - Math.pow(settings.beta2(), step));
      Tensor sums = sums(fixture, count, step);
      for (int i = 0; i < count; i++) {
        double decay = a.mul(a.round(settings.weightDecay()), p[i]);
        double g = a.mul(a.round(sums.getLong(i)), a.round(GRAD_SCALE));
        g = decoupled ? g : a.add(g, decay);
        m[i] = a.mulAdd(b1, m[i], a.mul(a.add(1, -b1), g));
        v[i] = a.mulAdd(b2, v[i], a.mul(a.add(1, -b2), a.mul(g, g)));
        double root = a.add(a.round(Math.sqrt(a.round(v[i] / c2))), a.round(settings.epsilon()));
        double direction = a.round(a.round(m[i] / c1) / root);
        p[i] = a.add(p[i], -a.mul(lr, decoupled ? a.add(direction, decay) : direction));
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
        for (Adaptive settings : List.of(SETTINGS, COUPLED)) {
          Tensor[] actual = run(kernels, fixture, start, settings);
          Tensor[] expected =
              run(Providers.REFERENCE, fixture, fixture.copy(start, DType.F64), settings);
          // Without a bfloat16 anywhere: this kernel has no operands of matrix products.
          double[][] naive = naive(new Arithmetic(kernels.wide()), fixture, start, settings);
          String name = settings.getClass().getSimpleName();
          tolerance.add(name, count + " parameters", "p m v", actual, expected, naive);
        }
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

  /** Parameters and velocity after some steps; the latter stays as it is without momentum. */
  private static Tensor[] runSgd(Kernels kernels, Fixture fixture, Tensor start, Sgd settings) {
    int count = (int) start.size();
    Tensor parameters = fixture.copy(start, kernels.wide());
    Tensor velocity = fixture.arena().allocate(kernels.wide(), count);
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, count, step);
      kernels
          .optimizer()
          .sgdUpdate(
              sums, GRAD_SCALE, settings, parameters, settings.momentum() == 0 ? null : velocity);
    }
    return new Tensor[] {parameters, velocity};
  }

  private static double[][] naiveSgd(Arithmetic a, Fixture fixture, Tensor start, Sgd settings) {
    double[] p = array(start);
    double[] v = new double[p.length];
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, p.length, step);
      for (int i = 0; i < p.length; i++) {
        double g = a.mul(a.round(sums.getLong(i)), a.round(GRAD_SCALE));
        g = a.mulAdd(a.round(settings.weightDecay()), p[i], g);
        g = a.mulAdd(a.round(settings.momentum()), v[i], g);
        v[i] = settings.momentum() == 0 ? 0 : g;
        p[i] = a.add(p[i], -a.mul(a.round(settings.learningRate()), g));
      }
    }
    return new double[][] {p, v};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void gradientDescentIsAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int count : new int[] {1, 7, 16, 53, 1001}) {
      try (Fixture fixture = new Fixture(kernels, count)) {
        Tensor start = fixture.wide(count);
        for (Sgd settings : List.of(new Sgd(0.1, 0, 0), new Sgd(0.03, 0.9, 0.1))) {
          Tensor[] actual = runSgd(kernels, fixture, start, settings);
          Tensor[] expected =
              runSgd(Providers.REFERENCE, fixture, fixture.copy(start, DType.F64), settings);
          double[][] naive = naiveSgd(new Arithmetic(kernels.wide()), fixture, start, settings);
          tolerance.add(
              "momentum " + settings.momentum(),
              count + " parameters",
              "p v",
              actual,
              expected,
              naive);
        }
      }
    }
    tolerance.verify();
  }

  private static Tensor matrix(Fixture fixture, DType type, int rows, int cols) {
    return fixture
        .arena()
        .allocate(type, rows, cols)
        .copyFrom(sums(fixture, rows * cols, rows + cols));
  }

  private static Tensor positive(Fixture fixture, int count) {
    Tensor factors = fixture.wide(count);
    for (int i = 0; i < count; i++) {
      factors.set(i, 0.5 + Math.abs(factors.get(i)));
    }
    return factors;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void sumsOfSquaresAreThoseOfRowsAndColumns(Kernels kernels) {
    for (int[] shape : new int[][] {{1, 1}, {1, 53}, {7, 1}, {5, 16}, {13, 172}}) {
      try (Fixture fixture = new Fixture(kernels, shape[1])) {
        int rows = shape[0];
        int cols = shape[1];
        Tensor[] factors = {positive(fixture, rows), positive(fixture, cols)};
        for (DType type : new DType[] {DType.I64, DType.I32, kernels.wide()}) {
          Tensor sums = matrix(fixture, type, rows, cols);
          for (boolean scaled : new boolean[] {false, true}) {
            double[] byRow = new double[rows];
            double[] byCol = new double[cols];
            for (int r = 0; r < rows; r++) {
              for (int c = 0; c < cols; c++) {
                double u = GRAD_SCALE * sums.get(r, c);
                u *= scaled ? factors[0].get(r) * factors[1].get(c) : 1;
                byRow[r] += u * u;
                byCol[c] += u * u;
              }
            }
            Tensor rowSums = fixture.arena().allocate(DType.F64, rows);
            Tensor colSums = fixture.arena().allocate(DType.F64, cols);
            kernels
                .optimizer()
                .factoredAccumulate(
                    sums,
                    GRAD_SCALE,
                    scaled ? factors[0] : null,
                    scaled ? factors[1] : null,
                    rowSums,
                    colSums);
            // Each element is a float or a product of three; its square and all sums are float64.
            double allowed = kernels.wide() == DType.F64 ? 1e-13 : 4e-7;
            assertClose(byRow, rowSums, allowed);
            assertClose(byCol, colSums, allowed);
          }
        }
      }
    }
  }

  private static void assertClose(double[] expected, Tensor actual, double relative) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual.get(i), relative * expected[i], "number " + i);
    }
  }

  /** However the rows of a matrix are shared out, a column's sum takes them in their order. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void sumsOfSquaresGoOnWhereTheyStopped(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      Tensor sums = matrix(fixture, DType.I32, 9, 53);
      Tensor[] whole = squares(kernels, fixture, sums, 9);
      Tensor[] cut = squares(kernels, fixture, sums, 4);
      assertArrayEquals(array(whole[0]), array(cut[0]));
      assertArrayEquals(array(whole[1]), array(cut[1]));
    }
  }

  private static Tensor[] squares(Kernels kernels, Fixture fixture, Tensor sums, int cut) {
    Tensor rows = fixture.arena().allocate(DType.F64, sums.rows());
    Tensor cols = fixture.arena().allocate(DType.F64, sums.cols());
    for (int[] range : new int[][] {{0, cut}, {cut, (int) sums.rows() - cut}}) {
      kernels
          .optimizer()
          .factoredAccumulate(
              sums.rows(range[0], range[1]),
              GRAD_SCALE,
              null,
              null,
              rows.part(range[0], range[1]),
              cols);
    }
    return new Tensor[] {rows, cols};
  }

  /** Parameters and first moment after some updates with fixed factors. */
  private static Tensor[] runFactored(
      Kernels kernels, Fixture fixture, Tensor start, Tensor[] factors, Adafactor settings) {
    Tensor parameters = fixture.copy(start, kernels.wide());
    Tensor moment = fixture.arena().allocate(kernels.wide(), start.shape());
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, (int) start.size(), step).reshape(start.shape());
      kernels
          .optimizer()
          .factoredUpdate(
              sums,
              GRAD_SCALE,
              settings,
              fixture.copy(factors[0], kernels.wide()),
              fixture.copy(factors[1], kernels.wide()),
              0.7,
              parameters,
              settings.beta1() == 0 ? null : moment);
    }
    return new Tensor[] {parameters, moment};
  }

  private static double[][] naiveFactored(
      Arithmetic a, Fixture fixture, Tensor start, Tensor[] factors, Adafactor settings) {
    double[] p = array(start);
    double[] m = new double[p.length];
    double b1 = a.round(settings.beta1());
    for (int step = 1; step <= STEPS; step++) {
      Tensor sums = sums(fixture, p.length, step);
      for (int i = 0; i < p.length; i++) {
        double g = a.mul(a.round(sums.getLong(i)), a.round(GRAD_SCALE));
        double u = a.mul(g, factors[0].get(i / start.cols()));
        u = a.mul(a.round(0.7), a.mul(u, factors[1].get(i % start.cols())));
        u = b1 == 0 ? u : a.mulAdd(b1, m[i], a.mul(a.add(1, -b1), u));
        m[i] = b1 == 0 ? 0 : u;
        p[i] = a.add(p[i], -a.mul(a.round(settings.learningRate()), u));
      }
    }
    return new double[][] {p, m};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void factoredUpdatesAreAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int[] shape : new int[][] {{1, 53}, {7, 1}, {5, 16}, {13, 172}}) {
      try (Fixture fixture = new Fixture(kernels, shape[1])) {
        Tensor start = fixture.wide(shape[0], shape[1]);
        Tensor[] factors = {positive(fixture, shape[0]), positive(fixture, shape[1])};
        for (double beta1 : new double[] {0, 0.9}) {
          Adafactor settings = new Adafactor(3e-3, beta1, 0.8, 1e-30, 1);
          tolerance.add(
              "beta1 " + beta1,
              Arrays.toString(shape),
              "p m",
              runFactored(kernels, fixture, start, factors, settings),
              runFactored(Providers.REFERENCE, fixture, start, factors, settings),
              naiveFactored(new Arithmetic(kernels.wide()), fixture, start, factors, settings));
        }
      }
    }
    tolerance.verify();
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatDoesNotFitIsRefused(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      Tensor sums = matrix(fixture, DType.I32, 3, 5);
      Tensor wide = fixture.wide(3, 5);
      Tensor[] right = {fixture.wide(3), fixture.wide(5)};
      Tensor rowSums = fixture.arena().allocate(DType.F64, 3);
      Adafactor settings = Adafactor.of(0.1);
      Optimizer optimizer = kernels.optimizer();
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.sgdUpdate(sums, 1, new Sgd(0.1, 0, 0), fixture.wide(14), null));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.factoredAccumulate(sums, 1, right[0], null, rowSums, null));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.factoredAccumulate(sums, 1, right[1], right[0], rowSums, null));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.factoredAccumulate(sums.rows(0, 2), 1, null, null, rowSums, null));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.factoredUpdate(sums, 1, settings, right[1], right[0], 1, wide, null));
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.factoredUpdate(sums, 1, settings, right[0], right[1], 1, wide, right[0]));
    }
  }
}
