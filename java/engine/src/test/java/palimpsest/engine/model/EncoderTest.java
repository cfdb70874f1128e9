package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
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
import palimpsest.testing.Models;
import palimpsest.testing.NaiveKernels;
import palimpsest.testing.Oracle;
import palimpsest.testing.TinyModels;

/** Sentence embeddings: those of all-MiniLM-L6-v2 against an independent float64 program. */
class EncoderTest {
  @TempDir Path temporary;

  /** Vectors of texts; all of them go through the model as one group, whose buffers are NaN. */
  private static double[][] embed(EncoderFolder folder, Kernels kernels, List<int[]> texts) {
    int rows = texts.stream().mapToInt(text -> text.length).sum();
    int longest = texts.stream().mapToInt(text -> text.length).max().orElseThrow();
    try (TensorArena arena = new TensorArena();
        Encoder encoder = new Encoder(folder, kernels, false, longest)) {
      EncoderActivations a =
          new EncoderActivations(
              encoder.config(), kernels, rows + 3, texts.size(), 0, false, arena);
      a.poison();
      TokenGroup group = new TokenGroup(rows + 3, texts.size(), kernels.wide(), arena);
      texts.forEach(text -> group.add(Arrays.copyOf(text, text.length + 1), text.length));
      Tensor out = arena.allocate(kernels.wide(), texts.size(), encoder.config().width());
      encoder.embed(group, a, out);
      return IntStream.range(0, texts.size())
          .mapToObj(e -> values(out.rows(e, 1)))
          .toArray(double[][]::new);
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  private static double inner(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static JsonNode oracle;

  private static synchronized JsonNode oracle() {
    if (oracle == null) {
      oracle = Oracle.read("minilm_embeddings");
    }
    return oracle;
  }

  /** The oracle's sentences, the shortest first; each of the two last has some hundred tokens. */
  private List<Integer> sentences(int count) {
    List<Integer> all = new ArrayList<>();
    IntStream.range(0, oracle().get("sentences").size()).forEach(all::add);
    all.sort((a, b) -> Integer.compare(ids(a).length, ids(b).length));
    return all.subList(0, count);
  }

  private int[] ids(int sentence) {
    return Oracle.ints(oracle().get("sentences").get(sentence).get("ids"));
  }

  private double[] expected(int sentence) {
    return Oracle.doubles(oracle().get("sentences").get(sentence).get("embedding"));
  }

  private double[][] minilm(Kernels kernels, List<Integer> sentences) {
    try (EncoderFolder folder = EncoderFolder.open(Models.minilm())) {
      return embed(folder, kernels, sentences.stream().map(this::ids).toList());
    }
  }

  @Test
  void theReferenceGivesTheOraclesVectors() {
    assertAgreement(sentences(5));
  }

  @Test
  @EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
  void theReferenceGivesAllVectors() {
    assertAgreement(sentences(16));
  }

  /** The oracle has 10 digits. */
  private void assertAgreement(List<Integer> sentences) {
    double[][] ours = minilm(new ReferenceKernels(), sentences);
    for (int i = 0; i < sentences.size(); i++) {
      assertArrayEquals(expected(sentences.get(i)), ours[i], 2e-10, "sentence " + sentences.get(i));
    }
  }

  /** The rule of closeness, and how far cosines may be off. */
  @Test
  void everyCpuTierIsNoWorseThanTwiceTheNaiveLoops() {
    List<Integer> few = sentences(3);
    List<Integer> all = sentences(16);
    for (DType type : List.of(DType.F32, DType.BF16)) {
      double naive = error(few, minilm(NaiveKernels.of(type), few));
      for (CpuTier tier : CpuTier.values()) {
        if (CpuLibrary.get().supports(tier)) {
          double error = error(few, minilm(new CpuKernels(tier, type), few));
          assertTrue(
              error <= 2 * naive + 1.2e-7,
              tier + " in " + type + ": cpu " + error + ", naive loops " + naive);
        }
      }
      double[][] vectors = minilm(new CpuKernels(type), all);
      JsonNode cosines = oracle().get("cosines");
      for (int i = 0; i < all.size(); i++) {
        assertEquals(1, inner(vectors[i], vectors[i]), 1e-5);
        for (int j = 0; j < all.size(); j++) {
          assertEquals(
              cosines.get(all.get(i)).get(all.get(j)).asDouble(),
              inner(vectors[i], vectors[j]),
              type == DType.F32 ? 1e-5 : 0.02);
        }
      }
    }
  }

  /** Root mean square of the errors over that of the figures. */
  private double error(List<Integer> sentences, double[][] ours) {
    double error = 0;
    double size = 0;
    for (int i = 0; i < ours.length; i++) {
      double[] exact = expected(sentences.get(i));
      for (int k = 0; k < exact.length; k++) {
        error += (ours[i][k] - exact[k]) * (ours[i][k] - exact[k]);
        size += exact[k] * exact[k];
      }
    }
    return Math.sqrt(error / size);
  }

  static Stream<Named<Kernels>> providers() {
    Stream<Kernels> cpu =
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .flatMap(
                tier -> Stream.of(DType.F32, DType.BF16).map(type -> new CpuKernels(tier, type)));
    return Stream.concat(Stream.of(new ReferenceKernels()), cpu)
        .map(kernels -> Named.of(kernels.name(), kernels));
  }

  @ParameterizedTest
  @MethodSource("providers")
  void aTextsVectorDoesNotDependOnItsMates(Kernels kernels) {
    SplittableRandom random = new SplittableRandom(5);
    List<int[]> texts = new ArrayList<>();
    for (int length : new int[] {1, 2, 18, 33, 65, 5}) {
      texts.add(random.ints(length, 0, 67).toArray());
    }
    try (EncoderFolder folder = TinyModels.write(TinyModels.bert(), temporary.resolve("model"))) {
      List<double[]> alone =
          texts.stream().map(text -> embed(folder, kernels, List.of(text))[0]).toList();
      for (int shift = 0; shift < texts.size(); shift++) {
        List<int[]> rotated = new ArrayList<>(texts);
        Collections.rotate(rotated, shift);
        double[][] together = embed(folder, kernels, rotated);
        for (int i = 0; i < texts.size(); i++) {
          assertArrayEquals(alone.get(Math.floorMod(i - shift, texts.size())), together[i]);
        }
      }
    }
  }

  @Test
  void aTextWithoutTokensHasAVectorOfZeros() {
    try (EncoderFolder folder = TinyModels.write(TinyModels.bert(), temporary.resolve("model"))) {
      double[][] vectors =
          embed(folder, new ReferenceKernels(), List.of(new int[0], new int[] {3, 4}));
      assertArrayEquals(new double[32], vectors[0]);
      assertEquals(1, inner(vectors[1], vectors[1]), 1e-12);
      assertThrows(
          IllegalArgumentException.class,
          () -> new Encoder(folder, new ReferenceKernels(), false, 513));
    }
  }
}
