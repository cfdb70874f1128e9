package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** From a gradient to the integers that enter the sum. */
class ClippedSumTest {
  private static final int BITS = 20;

  static Stream<Kernels> kernels() {
    return Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32));
  }

  private final TensorArena arena = new TensorArena();

  @AfterEach
  void free() {
    arena.close();
  }

  private VectorSum sum(Kernels kernels, double clipNorm, double... gradient) {
    VectorSum sum = new VectorSum(kernels, gradient.length, clipNorm, BITS, arena);
    Tensor tensor = arena.allocate(kernels.wide(), gradient.length);
    for (int i = 0; i < gradient.length; i++) {
      tensor.set(i, gradient[i]);
    }
    sum.add(tensor);
    return sum;
  }

  private static double[] values(VectorSum sum) {
    double[] values = new double[(int) sum.sums().size()];
    Arrays.setAll(values, i -> sum.sums().getLong(i) * sum.gridStep());
    return values;
  }

  private static double norm(double[] values) {
    return Math.sqrt(Arrays.stream(values).map(x -> x * x).sum());
  }

  private static double[] random(SplittableRandom random, int size, double norm) {
    double[] values = random.doubles(size, -1, 1).toArray();
    double scale = norm / norm(values);
    return Arrays.stream(values).map(x -> x * scale).toArray();
  }

  @ParameterizedTest
  @MethodSource("kernels")
  @Tag("R10")
  void aContributionHasAtMostTheClipNormAndAsMuchOfItAsFits(Kernels kernels) {
    // R10: over six powers of ten of C, and gradients far below and above it.
    SplittableRandom random = new SplittableRandom(1);
    for (double clip = 1e-3; clip < 2e3; clip *= 10) {
      for (double size : new double[] {0.01, 0.5, 0.999, 1.001, 1.5, 40, 1e4}) {
        double[] gradient = random(random, 33, clip * size);
        double[] entered = values(sum(kernels, clip, gradient));
        double share = Math.min(1, 1 / size);
        assertTrue(norm(entered) <= clip, norm(entered) + " is over " + clip);
        for (int i = 0; i < gradient.length; i++) {
          assertEquals(share * gradient[i], entered[i], 3e-6 * clip, "C " + clip + ", " + size);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void roundingOfTheNormCausesNoRepair(Kernels kernels) {
    SplittableRandom random = new SplittableRandom(2);
    for (int trial = 0; trial < 2000; trial++) {
      double[] gradient = random(random, 2 + trial % 3, 1 + 9 * random.nextDouble());
      VectorSum sum = new VectorSum(kernels, gradient.length, 1, 24, arena);
      Tensor tensor = arena.allocate(kernels.wide(), gradient.length);
      for (int i = 0; i < gradient.length; i++) {
        tensor.set(i, gradient[i]);
      }
      sum.add(tensor);
      assertEquals(0, sum.repaired(), "trial " + trial);
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  @Tag("R42")
  void aGradientThatIsNotFiniteContributesNothing(Kernels kernels) {
    // R42
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      VectorSum sum = sum(kernels, 1, 0.25, bad, -0.25);
      assertEquals(0, norm(values(sum)));
      assertEquals(1, sum.dropped());
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void sensitivityIsTheClipNormInGridSteps(Kernels kernels) {
    VectorSum sum = sum(kernels, 0.25, 0, 3, 4);
    assertEquals(0.25, sum.sensitivity() * sum.gridStep());
    assertEquals(1 << BITS, sum.sensitivity());
    sum.clear();
    assertEquals(0, norm(values(sum)));
  }
}
