package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.KeyValueCache;
import palimpsest.engine.model.StreamGroup;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Tokens read piece by piece through the cache against one whole forward pass. */
class CachedDecodingTest {
  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return TinySetting.providers()
        .flatMap(kernels ->
            Stream.of(TinyModels.llama(), TinyModels.gpt2())
                .map(config ->
                    Arguments.of(
                        Named.of(kernels.name(), kernels), Named.of(config.family(), config))));
  }

  /** Streams read in pieces of many sizes beside each other, and one that begins as another. */
  @ParameterizedTest
  @MethodSource("cases")
  void piecesGiveTheLogitsOfTheWhole(Kernels kernels, DecoderConfig config) {
    int[] a = new SplittableRandom(1).ints(40, 0, config.vocabularySize()).toArray();
    int[] b = new SplittableRandom(2).ints(30, 0, config.vocabularySize()).toArray();
    int[] c = a.clone();
    c[25] = (a[25] + 1) % config.vocabularySize();
    try (TinySetting setting = new TinySetting(kernels, config, temporary.resolve("model"));
        TensorArena arena = new TensorArena()) {
      Activations activations =
          new Activations(config, kernels, 64, 64, 3, Activations.Purpose.FORWARD, arena);
      KeyValueCache cache = new KeyValueCache(config, 3, 40, kernels, arena);
      StreamGroup group = new StreamGroup(cache, 64, 3, arena);
      double[][] gotA = new double[40][];
      double[][] gotC = new double[40][];
      int[] pieces = {0, 1, 2, 9, 25, 26, 39, 40};
      for (int i = 0; i + 1 < pieces.length; i++) {
        int from = pieces[i];
        int to = pieces[i + 1];
        group.clear();
        int rowA = group.add(2, from, a, from, to);
        if (to <= 30) {
          group.add(0, from, b, from, to);
        }
        int rowC = rowA;
        if (to <= 25) {
          for (int row = rowA; row < rowA + to - from; row++) {
            group.share(row, 1);
          }
        } else {
          rowC = group.add(1, from, c, from, to);
        }
        setting.decoder.decode(group, setting.model.tuned(), activations);
        int[] all = IntStream.range(0, group.rows()).toArray();
        double[][] logits =
            TinySetting.values(setting.decoder.logits(all, 0, all.length, activations));
        for (int t = from; t < to; t++) {
          gotA[t] = logits[rowA + t - from];
          gotC[t] = logits[rowC + t - from];
        }
      }
      assertClose(setting.logits(a), gotA, kernels);
      assertClose(setting.logits(c), gotC, kernels);
    }
  }

  private static void assertClose(double[][] expected, double[][] got, Kernels kernels) {
    double tolerance =
        switch (kernels.compute()) {
          case F64 -> 1e-12;
          case F32 -> 1e-5;
          default -> 0.05;
        };
    for (int t = 0; t < expected.length; t++) {
      double scale = Arrays.stream(expected[t]).map(Math::abs).max().orElseThrow();
      assertArrayEquals(expected[t], got[t], tolerance * scale, "after token " + t);
    }
  }

  @Test
  void refusesPlacesOutsideTheCache() {
    DecoderConfig config = TinyModels.llama();
    Kernels kernels = new ReferenceKernels();
    try (TensorArena arena = new TensorArena()) {
      KeyValueCache cache = new KeyValueCache(config, 2, 8, kernels, arena);
      StreamGroup group = new StreamGroup(cache, 4, 2, arena);
      assertThrows(IndexOutOfBoundsException.class, () -> group.add(2, 0, 5));
      assertThrows(IndexOutOfBoundsException.class, () -> group.add(0, 8, 5));
      group.add(0, 7, 5);
      assertThrows(
          IllegalStateException.class, () -> group.add(1, 0, new int[] {1, 2, 3, 4}, 0, 4));
      assertEquals(1, group.rows());
    }
  }
}
