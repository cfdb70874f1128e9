package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What the engine promises of noise; that the integers are those of the exact stream is tested
 * where both are known, in the synth module's NoiseKernelTest and in the native golden test.
 */
class NoiseTest {
  private static final double SIGMA = 1000;
  private static final int COUNT = 40_000;

  static Stream<Named<Kernels>> tiers() {
    return Stream.of(CpuTier.values())
        .filter(CpuLibrary.get()::supports)
        .map(tier -> new CpuKernels(tier, DType.F32))
        .map(kernels -> Named.of(kernels.name(), kernels));
  }

  /** Sums after noise on zeros; undecided elements are listed and stay 0. */
  private static long[] noise(
      Kernels kernels, long first, int count, long step, List<Long> undecided) {
    return noise(kernels, DType.I64, 0, SIGMA, first, count, step, undecided);
  }

  /** The same on sums of a type that begin with a value, with noise of another size. */
  private static long[] noise(
      Kernels kernels,
      DType type,
      long start,
      double sigma,
      long first,
      int count,
      long step,
      List<Long> undecided) {
    try (TensorArena arena = new TensorArena();
        Arena memory = Arena.ofConfined()) {
      MemorySegment key = memory.allocate(32, 8);
      for (int i = 0; i < 8; i++) {
        key.setAtIndex(ValueLayout.JAVA_INT, i, 0x01020304 * (i + 1));
      }
      Tensor sums = arena.allocate(type, count);
      for (int i = 0; i < count; i++) {
        sums.setLong(i, start);
      }
      kernels.noise().accumulate(sums, first, key, step, sigma, undecided::add);
      long[] values = new long[count];
      Arrays.setAll(values, sums::getLong);
      return values;
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void everyTierAddsTheSameIntegers(Kernels kernels) {
    List<Long> here = new ArrayList<>();
    List<Long> portable = new ArrayList<>();
    try (Kernels least = new CpuKernels(CpuTier.PORTABLE, DType.F32)) {
      assertArrayEquals(noise(least, 0, COUNT, 3, portable), noise(kernels, 0, COUNT, 3, here));
    }
    assertEquals(portable, here);
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void aRangeCanBeSplitAnywhere(Kernels kernels) {
    long[] whole = noise(kernels, 0, COUNT, 1, new ArrayList<>());
    for (int cut : new int[] {1, 127, 128, 1000}) {
      assertArrayEquals(
          Arrays.copyOfRange(whole, cut, COUNT),
          noise(kernels, cut, COUNT - cut, 1, new ArrayList<>()));
    }
  }

  /** Also where it wraps around, which noise of 2^32 steps does all the time. */
  @ParameterizedTest
  @MethodSource("tiers")
  void aSumOf32BitsGetsTheSameModulo32Bits(Kernels kernels) {
    for (double sigma : new double[] {SIGMA, 0x1p32}) {
      List<Long> wideLeft = new ArrayList<>();
      List<Long> narrowLeft = new ArrayList<>();
      long start = Integer.MAX_VALUE - 5;
      long[] wide = noise(kernels, DType.I64, start, sigma, 77, COUNT, 4, wideLeft);
      long[] narrow = noise(kernels, DType.I32, start, sigma, 77, COUNT, 4, narrowLeft);
      assertArrayEquals(Arrays.stream(wide).map(sum -> (int) sum).toArray(), narrow);
      assertEquals(wideLeft, narrowLeft);
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void sumsAreIntegers(Kernels kernels) {
    assertThrows(
        IllegalArgumentException.class,
        () -> noise(kernels, DType.F32, 0, SIGMA, 0, 5, 1, new ArrayList<>()));
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void hasMeanZeroAndTheStandardDeviationAskedFor(Kernels kernels) {
    long[] values = noise(kernels, 0, COUNT, 9, new ArrayList<>());
    double mean = Arrays.stream(values).average().orElseThrow();
    double deviation =
        Math.sqrt(Arrays.stream(values).mapToDouble(v -> (double) v * v).average().orElseThrow());
    // Five standard errors.
    assertEquals(0, mean, 5 * SIGMA / Math.sqrt(COUNT));
    assertEquals(SIGMA, deviation, 5 * SIGMA / Math.sqrt(2.0 * COUNT));
    assertFalse(
        Arrays.equals(values, noise(kernels, 0, COUNT, 10, new ArrayList<>())),
        "a step has its own noise");
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void fewElementsAreLeftUndecided(Kernels kernels) {
    List<Long> undecided = new ArrayList<>();
    noise(kernels, 0, COUNT, 2, undecided);
    assertTrue(undecided.size() < COUNT / 1000, undecided.size() + " of " + COUNT);
  }

  @org.junit.jupiter.api.Test
  void theReferenceLeavesAllToTheExactPath() {
    List<Long> undecided = new ArrayList<>();
    long[] values = noise(new ReferenceKernels(), 5, 7, 0, undecided);
    assertArrayEquals(new long[7], values);
    assertEquals(List.of(5L, 6L, 7L, 8L, 9L, 10L, 11L), undecided);
  }
}
