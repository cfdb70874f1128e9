package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;

/** The noise that a run adds is the Java stream's, to the bit, whatever kernel adds it. */
class NoiseKernelTest {
  static Stream<Kernels> kernels() {
    return Stream.concat(
        Stream.of(new ReferenceKernels()),
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .map(tier -> new CpuKernels(tier, DType.F32)));
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void everyKernelAddsTheSameIntegers(Kernels kernels) {
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      undecided(kernels, key, 0.6 * (1 << 24), 5);
    }
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void whatAKernelLeavesToTheExactPathIsAddedOnce(Kernels kernels) {
    // At the largest standard deviation the fast path leaves several elements of a step: in some of
    // the steps, in every lane of a vector of eight.
    try (SecretKey key = SecretKey.insecureDeterministic(1)) {
      Set<Long> lanes = new TreeSet<>();
      long left = 0;
      for (long step = 5; step < 45 && lanes.size() < 8; step++) {
        List<Long> undecided = undecided(kernels, key, NoiseStream.MAX_SIGMA, step);
        undecided.forEach(element -> lanes.add(element % 8));
        left += undecided.size();
      }
      assertEquals(Set.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L), lanes, left + " elements");
    }
  }

  /** Checks the integers of a step; returns the elements that the kernel left alone. */
  private static List<Long> undecided(Kernels kernels, SecretKey key, double sigma, long step) {
    int count = kernels instanceof ReferenceKernels ? 300 : 200_001;
    try (TensorArena arena = new TensorArena()) {
      NoiseStream stream = new NoiseStream(key);
      long[] expected = new long[count];
      Arrays.setAll(expected, i -> i);
      stream.addTo(expected, 0, step, sigma);
      Tensor sums = arena.allocate(DType.I64, count);
      for (int i = 0; i < count; i++) {
        sums.setLong(i, i);
      }
      List<Long> undecided = new ArrayList<>();
      kernels
          .noise()
          .accumulate(
              sums,
              0,
              key.words(),
              step,
              sigma,
              e -> {
                undecided.add(e);
                sums.setLong(e, sums.getLong(e) + stream.exact(e, step, sigma));
              });
      long[] actual = new long[count];
      Arrays.setAll(actual, sums::getLong);
      assertArrayEquals(expected, actual);
      assertTrue(
          kernels instanceof ReferenceKernels || undecided.size() < count / 100,
          "the exact path is for few");
      return undecided;
    }
  }
}
