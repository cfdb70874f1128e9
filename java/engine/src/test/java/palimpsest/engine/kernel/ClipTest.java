package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Clip.Outcome;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Verified clipping, to the bit, against the same definition over unbounded integers. */
class ClipTest {
  private static final BigInteger TRUSTED = BigInteger.TWO.pow(60);

  /** The definition of {@link Clip#accumulate}. */
  private record Model(Outcome outcome, long[] entered) {
    static Model of(Tensor gradient, double factor, int bound) {
      int count = (int) gradient.size();
      boolean single = gradient.type() == DType.F32;
      double rounded = single ? (float) factor : factor;
      if (Double.isNaN(factor) || factor < 0 || Double.isInfinite(rounded)) {
        return new Model(Outcome.DROPPED, new long[count]);
      }
      long[] z = new long[count];
      for (int i = 0; i < count; i++) {
        double g = gradient.get(i);
        double product = single ? (float) rounded * (float) g : rounded * g;
        z[i] = integer(product, bound);
      }
      BigInteger total = squares(z);
      if (total.compareTo(TRUSTED) > 0) {
        return new Model(Outcome.DROPPED, new long[count]);
      }
      BigInteger most = BigInteger.valueOf(bound);
      if (total.compareTo(most.pow(2)) <= 0) {
        return new Model(Outcome.ACCEPTED, z);
      }
      BigInteger[] root = total.sqrtAndRemainder();
      BigInteger ceiling = root[1].signum() == 0 ? root[0] : root[0].add(BigInteger.ONE);
      BigInteger ratio = most.shiftLeft(32).divide(ceiling);
      for (int i = 0; i < count; i++) {
        BigInteger shrunk = BigInteger.valueOf(Math.abs(z[i])).multiply(ratio).shiftRight(32);
        z[i] = Long.signum(z[i]) * shrunk.longValueExact();
      }
      return new Model(Outcome.REPAIRED, z);
    }

    private static long integer(double product, int bound) {
      if (Double.isNaN(product)) {
        return 0;
      }
      double clamped = Math.min(Math.max(product, -bound), bound);
      return (long) (clamped < 0 ? Math.ceil(clamped) : Math.floor(clamped));
    }
  }

  private static BigInteger squares(long[] z) {
    BigInteger sum = BigInteger.ZERO;
    long part = 0;
    for (int i = 0; i < z.length; i++) {
      // |z| <= 2^24: a thousand squares fit a long.
      part += z[i] * z[i];
      if (i % 1000 == 999 || i == z.length - 1) {
        sum = sum.add(BigInteger.valueOf(part));
        part = 0;
      }
    }
    return sum;
  }

  private static Tensor gradient(
      Kernels kernels, TensorArena arena, int count, IntToDoubleFunction g) {
    Tensor gradient = arena.allocate(kernels.wide(), count);
    for (int i = 0; i < count; i++) {
      gradient.set(i, g.applyAsDouble(i));
    }
    return gradient;
  }

  /** With a bound of 2^bits. */
  private static Outcome check(
      Kernels kernels, int count, IntToDoubleFunction g, double factor, int bits) {
    return checkBound(kernels, count, g, factor, 1 << bits);
  }

  /** Runs the kernel beside the model and checks all that is promised; returns the outcome. */
  private static Outcome checkBound(
      Kernels kernels, int count, IntToDoubleFunction g, double factor, int bound) {
    try (TensorArena arena = new TensorArena()) {
      Tensor gradient = gradient(kernels, arena, count, g);
      Model model = Model.of(gradient, factor, bound);
      Tensor sums = arena.allocate(DType.I64, count);
      for (int i = 0; i < count; i++) {
        // Starts at the edges of the range: sums wrap.
        sums.setLong(i, i % 3 == 0 ? Long.MAX_VALUE : i % 3 == 1 ? Long.MIN_VALUE : -i);
      }
      Outcome outcome = kernels.clip().accumulate(gradient, factor, bound, sums);
      assertEquals(model.outcome, outcome);
      long[] entered = new long[count];
      for (int i = 0; i < count; i++) {
        long start = i % 3 == 0 ? Long.MAX_VALUE : i % 3 == 1 ? Long.MIN_VALUE : -i;
        entered[i] = sums.getLong(i) - start;
        if (entered[i] != model.entered[i] || gradient.get(i) != model.entered[i]) {
          throw new AssertionError("integer " + i + " of " + count + " differs from the model");
        }
      }
      assertTrue(
          squares(entered).compareTo(BigInteger.valueOf(bound).pow(2)) <= 0,
          "what entered is over the bound");
      return outcome;
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void ordinaryGradientsMatchTheModel(Kernels kernels) {
    Random random = new Random(1);
    for (int count : new int[] {1, 2, 7, 8, 15, 16, 17, 33, 53, 172, 1001}) {
      for (int bits : new int[] {1, 2, 7, 10, 20, 23, 24}) {
        double[] g = random.doubles(count, -1, 1).toArray();
        double norm = Math.sqrt(Arrays.stream(g).map(x -> x * x).sum());
        double right = Math.scalb(1 - 1e-6, bits) / norm;
        assertEquals(Outcome.ACCEPTED, check(kernels, count, i -> g[i], right, bits));
        check(kernels, count, i -> g[i], right / 3, bits);
        check(kernels, count, i -> g[i], right * 3, bits);
      }
    }
  }

  /** The norm that the factor came from may be wrong either way: the bound holds all the same. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aWrongFactorIsRepairedNotBelieved(Kernels kernels) {
    Random random = new Random(2);
    for (int trial = 0; trial < 200; trial++) {
      int bits = 8 + random.nextInt(17);
      int count = 1 + random.nextInt(400);
      double[] g = new double[count];
      for (int i = 0; i < count; i++) {
        g[i] = random.nextGaussian() * Math.exp(3 * random.nextGaussian());
      }
      double norm = Math.sqrt(Arrays.stream(g).map(x -> x * x).sum());
      double factor = Math.scalb(1 / norm, bits);
      assertEquals(
          Outcome.ACCEPTED, check(kernels, count, i -> g[i], factor / 3, bits), "too small");
      check(kernels, count, i -> g[i], factor, bits);
      check(kernels, count, i -> g[i], factor * (1 + 3 * random.nextDouble()), bits);
      check(kernels, count, i -> g[i], factor * 1e6, bits);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void threeTimesTooLargeAFactorIsRepaired(Kernels kernels) {
    double[] g = new Random(3).doubles(1000, -1, 1).toArray();
    double norm = Math.sqrt(Arrays.stream(g).map(x -> x * x).sum());
    Outcome outcome = check(kernels, 1000, i -> g[i], 3 * Math.scalb(1 / norm, 20), 20);
    assertEquals(Outcome.REPAIRED, outcome);
  }

  /** Shrinking the floats instead would give the same ones before and after. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  @Tag("R33")
  void aMillionOnesOverTheBoundAreShrunk(Kernels kernels) {
    int count = (1 << 20) + 1;
    assertEquals(Outcome.REPAIRED, check(kernels, count, i -> 1.5, 1, 10));
    assertEquals(Outcome.ACCEPTED, check(kernels, count - 1, i -> -1.5, 1, 10));
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aSingleCoordinateMayFillTheBound(Kernels kernels) {
    for (int bits : new int[] {1, 10, 24}) {
      double bound = Math.scalb(1.0, bits);
      for (double g : new double[] {bound, -bound, bound - 1, bound + 1, 3 * bound, 0, -0.0}) {
        assertEquals(Outcome.ACCEPTED, check(kernels, 1, i -> g, 1, bits), "g = " + g);
      }
      assertEquals(Outcome.REPAIRED, check(kernels, 2, i -> bound, 1, bits));
    }
  }

  /** Those of a part of the gradient, which need not be powers of two. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anyIntegerMayBeTheBound(Kernels kernels) {
    Random random = new Random(5);
    for (int bound : new int[] {1, 2, 3, 5, 1023, 1025, 185_363, (1 << 24) - 1, 11_863_283}) {
      for (int count : new int[] {1, 2, 16, 33, 1001}) {
        double[] g = random.doubles(count, -1, 1).toArray();
        double norm = Math.sqrt(Arrays.stream(g).map(x -> x * x).sum());
        double right = (1 - 1e-6) * bound / norm;
        assertEquals(Outcome.ACCEPTED, checkBound(kernels, count, i -> g[i], right, bound));
        checkBound(kernels, count, i -> g[i], bound / norm, bound);
        checkBound(kernels, count, i -> g[i], right * (1 + random.nextDouble()), bound);
        checkBound(kernels, count, i -> g[i], right * 1e6, bound);
      }
      int full = bound;
      assertEquals(Outcome.ACCEPTED, checkBound(kernels, 1, i -> full, 1, full));
      assertEquals(Outcome.ACCEPTED, checkBound(kernels, 1, i -> -3.0 * full, 1, full), "clamped");
      assertEquals(Outcome.REPAIRED, checkBound(kernels, 2, i -> i == 0 ? full : 1, 1, full));
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void truncationIsTowardZero(Kernels kernels) {
    double[] g = {0.999, -0.999, 1.999, -1.999, 2, -2, 0x1p-149, -0x1p-149, 1e-40, 0.5};
    assertEquals(Outcome.ACCEPTED, check(kernels, g.length, i -> g[i], 1, 10));
    // The product is rounded before it is truncated: 0.1f * 10 is 1 in float32 and in float64.
    assertEquals(Outcome.ACCEPTED, check(kernels, 3, i -> 0.1, 10, 10));
    assertEquals(Outcome.ACCEPTED, check(kernels, 3, i -> 10, 0.1, 10));
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void hugeTinyAndNonFiniteNumbersMatchTheModel(Kernels kernels) {
    double[] extremes = {
      Double.NaN,
      Double.POSITIVE_INFINITY,
      Double.NEGATIVE_INFINITY,
      Float.MAX_VALUE,
      -Float.MAX_VALUE,
      Float.MIN_VALUE,
      Float.MIN_NORMAL,
      0x1p31,
      -0x1p31,
      0x1p32,
      0x1p63,
      -0x1p63,
      0x1p64,
      1e-30,
      0,
      -0.0,
      1
    };
    double[] factors = {0, -0.0, Float.MIN_VALUE, 1e-30, 1, 1e30, Float.MAX_VALUE};
    for (double factor : factors) {
      for (int bits : new int[] {1, 10, 24}) {
        for (double g : extremes) {
          check(kernels, 1, i -> g, factor, bits);
          check(kernels, 19, i -> i == 11 ? g : 0.25, factor, bits);
        }
        check(kernels, extremes.length, i -> extremes[i], factor, bits);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aFactorThatIsNegativeOrNotFiniteDropsTheExample(Kernels kernels) {
    double[] factors = {
      Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, -1, -Double.MIN_VALUE
    };
    for (double factor : factors) {
      assertEquals(Outcome.DROPPED, check(kernels, 33, i -> i, factor, 20), "factor " + factor);
    }
    // Finite in float64, not in float32: judged in the type of the product.
    Outcome expected = kernels.wide() == DType.F32 ? Outcome.DROPPED : Outcome.REPAIRED;
    assertEquals(expected, check(kernels, 33, i -> i, 1e300, 20));
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aTotalTooLargeToBeTrustedDropsTheExample(Kernels kernels) {
    // Squares of 2^48: 2^12 of them are 2^60, 2^15 wrap an int64.
    int most = 1 << 12;
    assertEquals(Outcome.REPAIRED, check(kernels, most, i -> 1e30, 1, 24));
    assertEquals(Outcome.DROPPED, check(kernels, most + 1, i -> i == most ? 1 : 1e30, 1, 24));
    assertEquals(Outcome.DROPPED, check(kernels, (1 << 15) + 5, i -> -1e30, 1, 24));
    assertEquals(Outcome.DROPPED, check(kernels, 1 << 16, i -> 1e30, 1, 24));
    assertEquals(Outcome.DROPPED, check(kernels, 1 << 17, i -> Double.POSITIVE_INFINITY, 1, 24));
    assertEquals(Outcome.ACCEPTED, check(kernels, 1 << 17, i -> Double.NaN, 1, 24));
  }

  /**
   * A total just within the trusted range, then numbers as large as there are: wherever a kernel
   * looks at its total, it must look before that wraps.
   */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void noTotalWrapsBetweenTwoLooks(Kernels kernels) {
    try (TensorArena arena = new TensorArena()) {
      for (int small = 8 << 10; small <= 64 << 10; small += 1 << 10) {
        int first = small;
        double value = Math.floor(Math.scalb(1.0, 30) / Math.sqrt(first));
        Tensor gradient = gradient(kernels, arena, 2 * first, i -> i < first ? value : 1e30);
        Tensor sums = arena.allocate(DType.I64, 2 * first);
        assertEquals(
            Outcome.DROPPED, kernels.clip().accumulate(gradient, 1, 1 << 24, sums), "" + first);
        assertEquals(0, sums.getLong(first));
      }
    }
  }

  /** Totals around perfect squares, where a root rounded to nearest is wrong on one side. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theRootIsRoundedUpExactly(Kernels kernels) {
    Random random = new Random(4);
    for (int trial = 0; trial < 300; trial++) {
      int fill = 2 + random.nextInt(4094);
      long near = 1L << 24;
      int odd = random.nextInt(4);
      check(kernels, fill + odd, i -> i < fill ? near : 1, 1, 24);
      check(kernels, fill + 1, i -> i < fill ? near - 1 : odd, 1, 24);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void sumsDoNotDependOnTheOrderOfExamples(Kernels kernels) {
    try (TensorArena arena = new TensorArena()) {
      int count = 321;
      Tensor forwards = arena.allocate(DType.I64, count);
      Tensor backwards = arena.allocate(DType.I64, count);
      for (int example = 0; example < 20; example++) {
        kernels.clip().accumulate(example(kernels, arena, example, count), 5000, 1 << 16, forwards);
        int other = 19 - example;
        kernels.clip().accumulate(example(kernels, arena, other, count), 5000, 1 << 16, backwards);
      }
      boolean any = false;
      for (int i = 0; i < count; i++) {
        assertEquals(forwards.getLong(i), backwards.getLong(i));
        any |= forwards.getLong(i) != 0;
      }
      assertTrue(any, "nothing entered");
    }
  }

  private static Tensor example(Kernels kernels, TensorArena arena, int seed, int count) {
    Random random = new Random(seed);
    return gradient(kernels, arena, count, i -> random.nextGaussian());
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theNormIsThatOfTheNumbers(Kernels kernels) {
    try (TensorArena arena = new TensorArena()) {
      for (int count : new int[] {1, 2, 7, 16, 17, 53, 576, 100_003}) {
        Tensor gradient = example(kernels, arena, count, count);
        BigDecimal exact = BigDecimal.ZERO;
        for (int i = 0; i < count; i++) {
          exact = exact.add(new BigDecimal(gradient.get(i)).pow(2));
        }
        double norm = kernels.clip().exampleNorm(gradient);
        assertEquals(exact.doubleValue(), norm, exact.doubleValue() * (count + 1) * 0x1p-53);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theNormOfSomethingNotFiniteIsNotFinite(Kernels kernels) {
    double[] bad = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    try (TensorArena arena = new TensorArena()) {
      for (double value : bad) {
        for (int count : new int[] {1, 17, 53}) {
          for (int at : new int[] {0, count / 2, count - 1}) {
            Tensor gradient = gradient(kernels, arena, count, i -> i == at ? value : 1);
            assertFalse(Double.isFinite(kernels.clip().exampleNorm(gradient)));
          }
        }
      }
      // Squares beyond float32 are still finite: the sum is kept in float64.
      Tensor large = gradient(kernels, arena, 53, i -> 1e30);
      assertEquals(53e60, kernels.clip().exampleNorm(large), 1e55);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void boundsOutsideTheRangeAreRefused(Kernels kernels) {
    try (TensorArena arena = new TensorArena()) {
      Tensor gradient = gradient(kernels, arena, 3, i -> 1);
      Tensor sums = arena.allocate(DType.I64, 3);
      for (int bound : new int[] {Integer.MIN_VALUE, -1, 0, (1 << 24) + 1, Integer.MAX_VALUE}) {
        assertThrows(
            IllegalArgumentException.class,
            () -> kernels.clip().accumulate(gradient, 1, bound, sums));
      }
    }
  }
}
