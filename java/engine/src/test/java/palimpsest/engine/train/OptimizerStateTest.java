package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.Optimizer.Adafactor;
import palimpsest.engine.kernel.Optimizer.Adam;
import palimpsest.engine.kernel.Optimizer.AdamW;
import palimpsest.engine.kernel.Optimizer.Sgd;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class OptimizerStateTest {
  /** A matrix of several tiles, a small one, and vectors, some of which do not decay. */
  private static final List<ParameterBlock> BLOCKS =
      List.of(
          new ParameterBlock(0, 300, 1000, true),
          new ParameterBlock(300_000, 7, 3, true),
          new ParameterBlock(300_021, 1, 53, false),
          new ParameterBlock(300_074, 1, 1, false),
          new ParameterBlock(300_075, 1, 16, true));

  private static final int SIZE = 300_091;
  private static final double SCALE = 1e-4;
  private static final int STEPS = 4;

  static final List<Optimizer.Settings> OPTIMIZERS =
      List.of(
          new Sgd(0.1, 0, 0),
          new Sgd(0.1, 0, 0.2),
          new Sgd(0.1, 0.9, 0.2),
          new Adam(0.01, 0.9, 0.99, 1e-8, 0.2),
          new AdamW(0.01, 0.9, 0.99, 1e-8, 0.2),
          Adafactor.of(0.01),
          new Adafactor(0.01, 0.9, 0.8, 1e-30, 0.5));

  /** Of step s: rows and columns of different sizes, now and then a zero. */
  private static double[] sums(int step) {
    SplittableRandom random = new SplittableRandom(step);
    double[] sums = new double[SIZE];
    for (int i = 0; i < SIZE; i++) {
      double size = (1 + i % 1000 % 7) * (1 + i / 1000 % 5) * (step == 3 ? 10 : 1);
      sums[i] = i % 11 == 0 ? 0 : Math.rint(1000 * size * random.nextGaussian());
    }
    return sums;
  }

  private static double[] start() {
    SplittableRandom random = new SplittableRandom(99);
    return random.doubles(SIZE, -1, 1).map(x -> (float) x).toArray();
  }

  /** The parameters after some steps in pieces of {@code piece}. */
  private static double[] run(
      Kernels kernels, Optimizer.Settings settings, DType type, int threads, int piece) {
    try (TensorArena arena = new TensorArena();
        Workers workers = new Workers(threads, "test")) {
      Tensor parameters = tensor(arena, kernels.wide(), start());
      OptimizerState state = OptimizerState.of(settings, BLOCKS, kernels, arena);
      long memory = arena.bytes();
      Tensor sums = arena.allocate(type, SIZE);
      for (int step = 1; step <= STEPS; step++) {
        fill(sums, sums(step));
        int number = step;
        workers.overPieces(
            SIZE,
            piece,
            (first, count) ->
                state.update(sums.part(first, count), first, SCALE, settings, number, parameters));
        state.end(workers, sums, SCALE, settings, number, parameters);
      }
      assertEquals(memory + SIZE * (long) type.bytes(), arena.bytes(), "a step takes no memory");
      return values(parameters);
    }
  }

  private static Tensor tensor(TensorArena arena, DType type, double[] values) {
    Tensor tensor = arena.allocate(type, values.length);
    fill(tensor, values);
    return tensor;
  }

  private static void fill(Tensor tensor, double[] values) {
    for (int i = 0; i < values.length; i++) {
      tensor.set(i, values[i]);
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  /** Any sums, cut anywhere, by any number of workers, as often as one likes. */
  @ParameterizedTest
  @FieldSource("OPTIMIZERS")
  void theBitsDependOnNeitherWorkersNorPieces(Optimizer.Settings settings) {
    try (Kernels kernels = new CpuKernels(DType.F32)) {
      double[] expected = run(kernels, settings, DType.I32, 1, SIZE);
      for (int[] way : new int[][] {{2, 10_007}, {4, 1 << 17}, {3, 250_000}, {3, 250_000}}) {
        double[] actual = run(kernels, settings, DType.I32, way[0], way[1]);
        assertArrayEquals(expected, actual, Arrays.toString(way));
      }
      assertArrayEquals(expected, run(kernels, settings, DType.I64, 2, 1 << 17), "in 64 bits");
    }
  }

  static Stream<Arguments> isWhatPlainArithmeticComesTo() {
    List<Arguments> cases = new ArrayList<>();
    for (Optimizer.Settings settings : OPTIMIZERS) {
      cases.add(Arguments.of(settings, DType.F64, 1e-12));
      cases.add(Arguments.of(settings, DType.F32, 1e-5));
    }
    return cases.stream();
  }

  /** The papers' formulas, with torch.optim's signs and order, and nothing shared with the code. */
  @ParameterizedTest
  @MethodSource
  void isWhatPlainArithmeticComesTo(Optimizer.Settings settings, DType type, double allowed) {
    double[] p = start();
    Plain plain = new Plain(p);
    for (int step = 1; step <= STEPS; step++) {
      plain.step(settings, Arrays.stream(sums(step)).map(sum -> SCALE * sum).toArray(), step);
    }
    try (Kernels kernels = type == DType.F64 ? new ReferenceKernels() : new CpuKernels(DType.F32)) {
      double[] actual = run(kernels, settings, DType.I32, 2, 1 << 17);
      assertArrayEquals(p, actual, allowed);
    }
  }

  /** Steps in float64, element by element, with all second moments in memory. */
  private static final class Plain {
    private final double[] p;
    private final double[] m = new double[SIZE];
    private final double[] v = new double[SIZE];

    /** Running row and column means of each block. */
    private final double[][] rows = new double[BLOCKS.size()][];

    private final double[][] cols = new double[BLOCKS.size()][];

    Plain(double[] p) {
      this.p = p;
    }

    private static double decay(Optimizer.Settings settings, int i) {
      return i < 300_021 || i >= 300_075 ? settings.weightDecay() : 0;
    }

    void step(Optimizer.Settings settings, double[] g, int step) {
      double rate = settings.learningRate();
      for (int i = 0; i < SIZE && !(settings instanceof Adafactor); i++) {
        switch (settings) {
          case Sgd sgd -> {
            m[i] = sgd.momentum() * m[i] + (g[i] + decay(sgd, i) * p[i]);
            p[i] = p[i] - rate * m[i];
          }
          case Adam adam -> {
            double l2 = g[i] + decay(adam, i) * p[i];
            m[i] = adam.beta1() * m[i] + (1 - adam.beta1()) * l2;
            v[i] = adam.beta2() * v[i] + (1 - adam.beta2()) * l2 * l2;
            p[i] -= rate * corrected(adam, i, step);
          }
          case AdamW adamW -> {
            p[i] -= rate * decay(adamW, i) * p[i];
            m[i] = adamW.beta1() * m[i] + (1 - adamW.beta1()) * g[i];
            v[i] = adamW.beta2() * v[i] + (1 - adamW.beta2()) * g[i] * g[i];
            p[i] -= rate * corrected(adamW, i, step);
          }
          case Adafactor _ -> throw new AssertionError();
        }
      }
      if (settings instanceof Adafactor adafactor) {
        for (int block = 0; block < BLOCKS.size(); block++) {
          adafactor(adafactor, block, g, step);
        }
      }
    }

    private double corrected(Optimizer.Adaptive adam, int i, int step) {
      double first = m[i] / (1 - Math.pow(adam.beta1(), step));
      double second = v[i] / (1 - Math.pow(adam.beta2(), step));
      return first / (Math.sqrt(second) + adam.epsilon());
    }

    /** Shazeer and Stern 2018, algorithm 4 for matrices and 5 for vectors. */
    private void adafactor(Adafactor settings, int number, double[] g, int step) {
      ParameterBlock block = BLOCKS.get(number);
      int n = (int) block.rows();
      int c = (int) block.cols();
      int at = (int) block.offset();
      double beta2 = 1 - Math.pow(step, -0.8);
      if (step == 1) {
        rows[number] = new double[n];
        cols[number] = new double[c];
      }
      double[] r = rows[number];
      double[] k = cols[number];
      double[] u = new double[n * c];
      if (n == 1) {
        for (int j = 0; j < c; j++) {
          k[j] = beta2 * k[j] + (1 - beta2) * (g[at + j] * g[at + j] + 1e-30);
          u[j] = g[at + j] / Math.sqrt(k[j]);
        }
      } else {
        double[] rowSums = new double[n];
        double[] colSums = new double[c];
        for (int i = 0; i < n * c; i++) {
          double square = g[at + i] * g[at + i] + 1e-30;
          rowSums[i / c] += square;
          colSums[i % c] += square;
        }
        double total = 0;
        for (int i = 0; i < n; i++) {
          r[i] = beta2 * r[i] + (1 - beta2) * rowSums[i];
          total += r[i];
        }
        for (int j = 0; j < c; j++) {
          k[j] = beta2 * k[j] + (1 - beta2) * colSums[j];
        }
        for (int i = 0; i < n * c; i++) {
          u[i] = g[at + i] / Math.sqrt(r[i / c] * k[i % c] / total);
        }
      }
      double squares = 0;
      for (double x : u) {
        squares += x * x;
      }
      double over = Math.max(1, Math.sqrt(squares / u.length) / settings.threshold());
      for (int i = 0; i < n * c; i++) {
        double moved = u[i] / over;
        m[at + i] = settings.beta1() * m[at + i] + (1 - settings.beta1()) * moved;
        p[at + i] -= settings.learningRate() * m[at + i];
      }
    }
  }

  @Test
  void whatIsPlannedIsWhatIsTaken() {
    try (Kernels kernels = new CpuKernels(DType.F32)) {
      long moment = SIZE * 4L;
      List<Long> expected = List.of(0L, 0L, moment, 2 * moment, 2 * moment);
      for (int i = 0; i < expected.size(); i++) {
        assertEquals(expected.get(i), OptimizerState.bytes(OPTIMIZERS.get(i), BLOCKS, kernels));
      }
      long factored = OptimizerState.bytes(OPTIMIZERS.get(5), BLOCKS, kernels);
      assertTrue(factored < 0.05 * moment, factored + " bytes");
      assertEquals(factored + moment, OptimizerState.bytes(OPTIMIZERS.get(6), BLOCKS, kernels));
      for (Optimizer.Settings settings : OPTIMIZERS) {
        try (TensorArena arena = new TensorArena()) {
          OptimizerState.of(settings, BLOCKS, kernels, arena);
          assertEquals(arena.bytes(), OptimizerState.bytes(settings, BLOCKS, kernels));
        }
      }
    }
  }

  @Test
  void anotherOptimizersStateIsRefused() {
    try (Kernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena();
        Workers workers = new Workers(1, "test")) {
      Tensor t = arena.allocate(DType.F64, SIZE);
      OptimizerState sgd = OptimizerState.of(OPTIMIZERS.getFirst(), BLOCKS, kernels, arena);
      OptimizerState factored = OptimizerState.of(Adafactor.of(0.1), BLOCKS, kernels, arena);
      assertThrows(
          IllegalArgumentException.class, () -> sgd.update(t, 0, 1, Adafactor.of(0.1), 1, t));
      assertThrows(
          IllegalArgumentException.class,
          () -> factored.end(workers, t, 1, OPTIMIZERS.getFirst(), 1, t));
    }
  }
}
