package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.testing.TinyModels;

class ScorerTest {
  private static final int[] CONTEXT = {4, 60, 33, 8, 21};

  @TempDir Path temporary;

  static Stream<Named<Kernels>> providers() {
    return TinySetting.providers().map(kernels -> Named.of(kernels.name(), kernels));
  }

  private TinySetting llama(Kernels kernels) {
    return new TinySetting(kernels, TinyModels.llama(), temporary.resolve("model"));
  }

  /** Few different tokens, so that many begin alike; twins, beginnings of others, an empty one. */
  private static List<int[]> continuations(int count) {
    SplittableRandom random = new SplittableRandom(8);
    List<int[]> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      all.add(random.ints(1 + random.nextInt(9), 10, 14).toArray());
    }
    all.add(new int[] {});
    all.add(all.getFirst().clone());
    all.add(Arrays.copyOf(all.get(1), 1));
    all.add(random.ints(50, 0, 67).toArray());
    return all;
  }

  private static double naive(TinySetting setting, int[] context, int[] continuation) {
    int[] whole = IntStream.concat(Arrays.stream(context), Arrays.stream(continuation)).toArray();
    double[][] logits = setting.logits(Arrays.copyOf(whole, whole.length - 1));
    double sum = 0;
    for (int t = context.length; t < whole.length; t++) {
      sum += TinySetting.logSoftmax(logits[t - 1])[whole[t]];
    }
    return sum;
  }

  @ParameterizedTest
  @MethodSource("providers")
  void scoresAreThoseOfWholePasses(Kernels kernels) {
    List<int[]> continuations = continuations(60);
    try (TinySetting setting = llama(kernels);
        Scorer scorer = new Scorer(setting.model, 2)) {
      double[] scores = scorer.score(CONTEXT, continuations);
      double tolerance =
          switch (kernels.compute()) {
            case F64 -> 1e-11;
            case F32 -> 1e-4;
            default -> 0.3;
          };
      for (int i = 0; i < scores.length; i++) {
        double expected =
            continuations.get(i).length == 0 ? 0 : naive(setting, CONTEXT, continuations.get(i));
        assertEquals(expected, scores[i], tolerance, "continuation " + i);
      }
      assertEquals(scores[0], scores[61]);
    }
  }

  /** Enough for many trees; another order, other workers, each alone. */
  @ParameterizedTest
  @MethodSource("providers")
  void aScoreDoesNotDependOnWhatIsBesideIt(Kernels kernels) {
    List<int[]> continuations = continuations(400);
    try (TinySetting setting = llama(kernels);
        Scorer one = new Scorer(setting.model, 1);
        Scorer three = new Scorer(setting.model, 3)) {
      double[] scores = one.score(CONTEXT, continuations);
      assertArrayEquals(
          scores, three.score(CONTEXT, continuations), 0.0, "three workers instead of one");
      double[] reversed = three.score(CONTEXT, continuations.reversed());
      for (int i = 0; i < scores.length; i++) {
        assertEquals(scores[i], reversed[scores.length - 1 - i]);
      }
      for (int i = 0; i < scores.length; i += 37) {
        assertEquals(scores[i], one.score(CONTEXT, List.of(continuations.get(i)))[0]);
      }
    }
  }

  @Test
  void textsAreScoredAfterEveryPrefix() {
    List<int[]> texts = continuations(30);
    int[][] prefixes = {{5}, CONTEXT, {66, 65, 64}};
    try (TinySetting setting = llama(new CpuKernels(DType.F32));
        Scorer scorer = new Scorer(setting.model, 2)) {
      double[][] scores = scorer.score(texts, prefixes);
      for (int p = 0; p < prefixes.length; p++) {
        double[] column = scorer.score(prefixes[p], texts);
        for (int t = 0; t < texts.size(); t++) {
          assertEquals(column[t], scores[t][p]);
        }
      }
    }
  }

  @Test
  void refusesWhatCannotBeScored() {
    try (TinySetting setting = llama(new ReferenceKernels());
        Scorer scorer = new Scorer(setting.model.base(), 1)) {
      List<int[]> fine = List.of(new int[] {1});
      assertThrows(IllegalArgumentException.class, () -> scorer.score(new int[] {}, fine));
      assertThrows(IllegalArgumentException.class, () -> scorer.score(new int[] {67}, fine));
      assertThrows(
          IllegalArgumentException.class, () -> scorer.score(CONTEXT, List.of(new int[] {3, -1})));
      assertThrows(
          IllegalArgumentException.class,
          () -> scorer.score(CONTEXT, List.of(new int[TinySetting.POSITIONS - 3])));
      assertEquals(1, scorer.score(CONTEXT, List.of(new int[TinySetting.POSITIONS - 4])).length);
    }
  }
}
