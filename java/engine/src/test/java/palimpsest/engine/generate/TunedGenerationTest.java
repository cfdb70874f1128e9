package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
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
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.testing.TinyModels;

/** Scores and texts of models tuned in every way, through the cache, against whole passes. */
class TunedGenerationTest {
  private static final int[] CONTEXT = {3, 1, 4, 1, 5};

  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return TinySetting.providers()
        .flatMap(kernels ->
            Stream.of(TinyModels.llama(), TinyModels.gpt2())
                .flatMap(config ->
                    Stream.of(
                            new TuningMethod.Prompt(7),
                            new TuningMethod.Bias(Set.of()),
                            TuningMethod.Lora.of(3))
                        .map(method ->
                            Arguments.of(
                                Named.of(kernels.name(), kernels),
                                Named.of(config.family(), config),
                                method))));
  }

  static Stream<Arguments> models() {
    return TinySetting.providers()
        .flatMap(kernels ->
            Stream.of(TinyModels.llama(), TinyModels.gpt2())
                .map(config ->
                    Arguments.of(
                        Named.of(kernels.name(), kernels), Named.of(config.family(), config))));
  }

  private TinySetting setting(Kernels kernels, DecoderConfig config, TuningMethod method) {
    return new TinySetting(kernels, config, temporary.resolve("model"), method);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void scoresAreThoseOfWholePasses(Kernels kernels, DecoderConfig config, TuningMethod method) {
    SplittableRandom random = new SplittableRandom(8);
    List<int[]> continuations =
        Stream.generate(() -> random.ints(1 + random.nextInt(20), 0, 67).toArray())
            .limit(20)
            .toList();
    double tolerance =
        switch (kernels.compute()) {
          case F64 -> 1e-11;
          case F32 -> 1e-3;
          default -> 0.8;
        };
    try (TinySetting setting = setting(kernels, config, method);
        Scorer scorer = new Scorer(setting.model, 2);
        Scorer untuned = new Scorer(setting.model.base(), 1)) {
      double[] scores = scorer.score(CONTEXT, continuations);
      for (int i = 0; i < scores.length; i++) {
        int[] text = continuations.get(i);
        int[] whole = IntStream.concat(Arrays.stream(CONTEXT), Arrays.stream(text)).toArray();
        double sum = 0;
        for (int t = CONTEXT.length; t < whole.length; t++) {
          sum += setting.logProbabilities(Arrays.copyOf(whole, t))[whole[t]];
        }
        assertEquals(sum, scores[i], tolerance, "continuation " + i);
      }
      double[] base = untuned.score(CONTEXT, continuations);
      assertTrue(Math.abs(base[0] - scores[0]) > 1e-3, "what was tuned must matter");
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theLikeliestTokensAreThoseOfWholePasses(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    GenerationSettings greedy = new GenerationSettings(4, 12, 0, 0, 1, 0, Set.of(), 2);
    try (TinySetting setting = setting(kernels, config, method);
        Generator generator = new Generator(setting.model, new int[][] {CONTEXT, {66}}, greedy)) {
      List<Request> requests = List.of(new Request(0, 0), new Request(1, 1), new Request(2, 0));
      int[][] texts = new int[3][];
      generator.generate(
          requests, (index, position) -> 0, result -> texts[result.index()] = result.tokens());
      assertArrayEquals(texts[0], texts[2]);
      int[] read = CONTEXT;
      for (int token : texts[0]) {
        double[] expected = setting.logProbabilities(read);
        double best = Arrays.stream(expected).max().orElseThrow();
        assertEquals(best, expected[token], kernels.compute() == DType.BF16 ? 0.1 : 1e-4);
        read = IntStream.concat(Arrays.stream(read), IntStream.of(token)).toArray();
      }
    }
  }

  /** Virtual tokens with the embeddings of real ones are those tokens, to the bit. */
  @ParameterizedTest
  @MethodSource("models")
  void aPromptOfTheModelsOwnEmbeddingsIsThoseTokens(Kernels kernels, DecoderConfig config) {
    int[] front = {9, 8, 60, 9};
    List<int[]> texts = List.of(new int[] {1, 2, 3}, new int[] {66});
    try (TinySetting setting = setting(kernels, config, new TuningMethod.Prompt(front.length))) {
      SoftPrompt prompt = (SoftPrompt) setting.model.tuned();
      try (ModelFolder model = ModelFolder.open(temporary.resolve("model"))) {
        Tensor table = model.weight(Role.EMBEDDING, 0);
        Tensor own = prompt.embeddings(prompt.parameters());
        for (int i = 0; i < front.length; i++) {
          own.rows(i, 1).copyFrom(table.rows(front[i], 1));
        }
      }
      prompt.pack();
      int[] whole = IntStream.concat(Arrays.stream(front), Arrays.stream(CONTEXT)).toArray();
      try (Scorer virtual = new Scorer(setting.model, 1);
          Scorer real = new Scorer(setting.model.base(), 1)) {
        assertArrayEquals(real.score(whole, texts), virtual.score(CONTEXT, texts), 0.0);
      }
    }
  }

  /** A prompt's tokens are ids behind the vocabulary, but nobody else can name them. */
  @Test
  void virtualTokensCannotBeAskedFor() {
    try (TinySetting setting =
            setting(new CpuKernels(DType.F32), TinyModels.llama(), new TuningMethod.Prompt(4));
        Scorer scorer = new Scorer(setting.model, 1)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> scorer.score(new int[] {68}, List.of(new int[] {1})));
      assertThrows(
          IllegalArgumentException.class, () -> scorer.score(CONTEXT, List.of(new int[] {68})));
      assertEquals(
          67, setting.logits(CONTEXT)[0].length, "the output layer has no row for any of them");
    }
  }
}
