package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;

/** Noise and update of more parameters than a piece holds. */
class NoisyUpdateTest {
  /** Two whole pieces and an odd rest. */
  private static final int SIZE = (2 << 17) + 4321;

  static Stream<Arguments> cases() {
    return Stream.of(DType.I64, DType.I32)
        .flatMap(type ->
            Stream.of(
                Arguments.of(type, new CpuKernels(DType.F32), 1),
                Arguments.of(type, new CpuKernels(DType.F32), 3),
                Arguments.of(type, new ReferenceKernels(), 2)));
  }

  /** Every element has the noise of its own number, once, whoever adds it. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R18")
  void everyElementGetsItsOwnNoiseOnce(DType type, Kernels kernels, int workers) {
    double sigma = 0x1p29;
    long step = 3;
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(workers, "test");
        SecretKey key = SecretKey.insecureDeterministic(5)) {
      int size = kernels instanceof ReferenceKernels ? (1 << 17) + 9 : SIZE;
      long[] expected = new long[size];
      Tensor sums = arena.allocate(type, size);
      for (int i = 0; i < size; i++) {
        expected[i] = 1000L * i;
        sums.setLong(i, expected[i]);
      }
      new NoiseStream(key).addTo(expected, 0, step, sigma);
      long[] seen = new long[size];
      BitSet firsts = new BitSet();
      new NoisyUpdate(kernels, threads, key)
          .run(
              sums,
              sigma,
              step,
              (piece, first) -> {
                for (int i = 0; i < piece.size(); i++) {
                  seen[(int) first + i] += piece.getLong(i);
                }
                synchronized (firsts) {
                  firsts.set((int) first);
                }
              });
      assertTrue(firsts.cardinality() > 1, "there is more than one piece");
      if (type == DType.I32) {
        expected = Arrays.stream(expected).map(sum -> (int) sum).toArray();
      }
      assertArrayEquals(expected, seen);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void withoutNoiseTheSumsAreLeftAlone(DType type, Kernels kernels, int workers) {
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(workers, "test");
        SecretKey key = SecretKey.insecureDeterministic(5)) {
      Tensor sums = arena.allocate(type, SIZE);
      sums.setLong(SIZE - 1L, 42);
      new NoisyUpdate(kernels, threads, key).run(sums, 0, 1, (_, _) -> {});
      assertEquals(0, sums.getLong(0));
      assertEquals(42, sums.getLong(SIZE - 1L));
    }
  }
}
