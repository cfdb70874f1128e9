package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
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

class GeneratorTest {
  private static final int[][] PREFIXES = {
    {5}, {7, 8, 9, 10, 11}, {20, 3}, {60, 61, 62, 63, 64, 65, 66}
  };
  private static final Set<Integer> ENDS = Set.of(2, 40, 41);

  @TempDir Path temporary;

  static Stream<Named<Kernels>> providers() {
    return TinySetting.providers().map(kernels -> Named.of(kernels.name(), kernels));
  }

  private static double uniform(int index, int position) {
    return new SplittableRandom(index * 1_000_003L + position).nextDouble();
  }

  private TinySetting llama(Kernels kernels) {
    return new TinySetting(kernels, TinyModels.llama(), temporary.resolve("model"));
  }

  private static List<Request> requests(int count) {
    return IntStream.range(0, count).mapToObj(i -> new Request(i, i % 3, 3)).toList();
  }

  private static GenerationSettings settings(
      int streams, int workers, double topP, double guidance) {
    return new GenerationSettings(streams, 20, 0.9, 0, topP, guidance, ENDS, workers);
  }

  private static Map<Integer, Result> generate(
      TinySetting setting, GenerationSettings settings, List<Request> requests) {
    Map<Integer, Result> results = new TreeMap<>();
    try (Generator generator = new Generator(setting.model, PREFIXES, settings)) {
      generator.generate(
          requests, GeneratorTest::uniform, result -> results.put(result.index(), result));
    }
    assertEquals(requests.size(), results.size());
    return results;
  }

  @ParameterizedTest
  @MethodSource("providers")
  void aTextDoesNotDependOnWhatIsBesideIt(Kernels kernels) {
    try (TinySetting setting = llama(kernels)) {
      for (double guidance : new double[] {0, 1.5}) {
        List<Request> requests = new ArrayList<>(requests(40));
        Map<Integer, Result> alone = generate(setting, settings(1, 1, 0.95, guidance), requests);
        Collections.shuffle(requests, new Random(4));
        assertSame(alone, generate(setting, settings(13, 1, 0.95, guidance), requests));
        assertSame(alone, generate(setting, settings(200, 3, 0.95, guidance), requests));
        List<Request> few = requests.subList(0, 7);
        generate(setting, settings(4, 2, 0.95, guidance), few)
            .forEach((index, result) -> assertSame(alone.get(index), result));
      }
    }
  }

  private static void assertSame(Map<Integer, Result> expected, Map<Integer, Result> results) {
    expected.forEach((index, result) -> assertSame(result, results.get(index)));
  }

  private static void assertSame(Result expected, Result result) {
    assertArrayEquals(expected.tokens(), result.tokens(), "text " + expected.index());
    assertEquals(expected.ended(), result.ended());
  }

  /** More streams than rows of the output layer that are computed together. */
  @ParameterizedTest
  @MethodSource("providers")
  void manyStreamsOfOneWorker(Kernels kernels) {
    try (TinySetting setting = llama(kernels)) {
      for (double guidance : new double[] {0, 1}) {
        GenerationSettings wide = new GenerationSettings(260, 3, 1, 0, 1, guidance, ENDS, 1);
        GenerationSettings narrow = new GenerationSettings(10, 3, 1, 0, 1, guidance, ENDS, 2);
        List<Request> requests = requests(130);
        assertSame(generate(setting, narrow, requests), generate(setting, wide, requests));
      }
    }
  }

  /**
   * Every text against a program that reads the whole text anew for each token, sorts, and draws by
   * the formulas of {@link GenerationSettings}.
   */
  @Test
  void textsFollowTheFormulas() {
    double[][] cases = {{0, 1, 0}, {0, 0.8, 0}, {5, 1, 0}, {7, 0.9, 1}, {0, 0.95, 2}, {0, 1, 1}};
    int ended = 0;
    try (TinySetting setting = llama(new ReferenceKernels())) {
      for (double[] c : cases) {
        GenerationSettings settings =
            new GenerationSettings(6, 12, 0.7, (int) c[0], c[1], c[2], ENDS, 2);
        for (Result result : generate(setting, settings, requests(15)).values()) {
          Result naive = naive(setting, settings, requests(15).get(result.index()));
          assertSame(naive, result);
          assertTrue(result.ended() ? result.tokens().length < 12 : result.tokens().length == 12);
          assertTrue(Arrays.stream(result.tokens()).noneMatch(ENDS::contains));
          ended += result.ended() ? 1 : 0;
        }
      }
    }
    assertTrue(ended > 5 && ended < 85, ended + " of 90 texts met an end token");
  }

  private static Result naive(TinySetting setting, GenerationSettings settings, Request request) {
    int[] text = {};
    while (text.length < settings.maxNewTokens()) {
      double[] own = setting.logProbabilities(concat(PREFIXES[request.prefix()], text));
      double[] generic = setting.logProbabilities(concat(PREFIXES[request.generic()], text));
      int token = naive(own, generic, settings, uniform(request.index(), text.length));
      if (ENDS.contains(token)) {
        return new Result(request.index(), text, true);
      }
      text = concat(text, new int[] {token});
    }
    return new Result(request.index(), text, false);
  }

  private static int naive(
      double[] own, double[] generic, GenerationSettings settings, double uniform) {
    double[] p = softmax(own, settings.temperature());
    Integer[] order = IntStream.range(0, p.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (a, b) -> Double.compare(p[b], p[a]));
    double[] score = new double[p.length];
    Arrays.fill(score, Double.NEGATIVE_INFINITY);
    double sum = 0;
    int most = settings.topK() == 0 ? p.length : settings.topK();
    for (int i = 0; i < most && sum < settings.topP(); i++) {
      int v = order[i];
      sum += p[v];
      score[v] = (1 + settings.guidance()) * own[v] - settings.guidance() * generic[v];
    }
    double[] q = softmax(score, settings.temperature());
    double cumulated = 0;
    for (int v = 0; v < q.length; v++) {
      cumulated += q[v];
      if (cumulated > uniform) {
        return v;
      }
    }
    throw new AssertionError("the probabilities sum to " + cumulated);
  }

  private static double[] softmax(double[] scores, double temperature) {
    double[] scaled = Arrays.stream(scores).map(x -> x / temperature).toArray();
    return Arrays.stream(TinySetting.logSoftmax(scaled)).map(Math::exp).toArray();
  }

  private static int[] concat(int[] a, int[] b) {
    return IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray();
  }

  /** Pearson's test of the first token, and of the second after the commonest first. */
  @Test
  void tokensHaveTheModelsProbabilities() {
    int count = 40_000;
    try (TinySetting setting = llama(new CpuKernels(DType.F32))) {
      GenerationSettings settings = new GenerationSettings(128, 2, 1, 0, 1, 0, Set.of(), 2);
      List<Request> requests = IntStream.range(0, count).mapToObj(i -> new Request(i, 1)).toList();
      int[] first = new int[67];
      int[][] second = new int[67][67];
      for (Result result : generate(setting, settings, requests).values()) {
        first[result.tokens()[0]]++;
        second[result.tokens()[0]][result.tokens()[1]]++;
      }
      assertChiSquare(setting.logProbabilities(PREFIXES[1]), first);
      int common = IntStream.range(0, 67).boxed().max((a, b) -> first[a] - first[b]).orElseThrow();
      assertChiSquare(
          setting.logProbabilities(concat(PREFIXES[1], new int[] {common})), second[common]);
    }
  }

  /** Rare tokens count together; the bound is five standard deviations above the mean. */
  private static void assertChiSquare(double[] logProbabilities, int[] counts) {
    int total = Arrays.stream(counts).sum();
    double statistic = 0;
    double restExpected = 0;
    int restSeen = 0;
    int freedom = 0;
    for (int v = 0; v < counts.length; v++) {
      double expected = total * Math.exp(logProbabilities[v]);
      if (expected < 10) {
        restExpected += expected;
        restSeen += counts[v];
      } else {
        statistic += (counts[v] - expected) * (counts[v] - expected) / expected;
        freedom++;
      }
    }
    if (restExpected > 0) {
      statistic += (restSeen - restExpected) * (restSeen - restExpected) / restExpected;
    } else {
      freedom--;
    }
    double bound = freedom + 5 * Math.sqrt(2.0 * freedom);
    assertTrue(
        freedom > 5 && statistic < bound,
        "chi-square " + statistic + " of " + freedom + " degrees of freedom");
  }

  @Test
  void refusesWhatCannotBeSampled() {
    try (TinySetting setting = llama(new ReferenceKernels())) {
      assertThrows(
          IllegalArgumentException.class,
          () -> generate(setting, settings(4, 1, 1, 0), List.of(new Request(0, 4))));
      assertThrows(
          IllegalArgumentException.class,
          () -> generate(setting, settings(4, 1, 1, 1), List.of(new Request(0, 0))));
      GenerationSettings tooLong = new GenerationSettings(4, 60, 1, 0, 1, 0, Set.of(), 1);
      assertThrows(IllegalArgumentException.class, () -> generate(setting, tooLong, requests(1)));
      assertThrows(
          IllegalArgumentException.class,
          () -> new Generator(setting.model.base(), new int[][] {{}}, settings(1, 1, 1, 0)));
      assertThrows(
          IllegalArgumentException.class,
          () -> new Generator(setting.model.base(), new int[][] {{67}}, settings(1, 1, 1, 0)));
      assertTrue(generate(setting, settings(4, 2, 1, 0), List.of()).isEmpty());
    }
  }

  @Test
  void refusesSettingsThatMeanNothing() {
    for (double[] bad :
        new double[][] {
          {0, 1, 1, 0, 1, 0, 1},
          {1, 0, 1, 0, 1, 0, 1},
          {1, 1, -1, 0, 1, 0, 1},
          {1, 1, Double.NaN, 0, 1, 0, 1},
          {1, 1, 1, -1, 1, 0, 1},
          {1, 1, 1, 0, 0, 0, 1},
          {1, 1, 1, 0, 1.5, 0, 1},
          {1, 1, 1, 0, 1, -1, 1},
          {1, 1, 1, 0, 1, 0, 0}
        }) {
      assertThrows(
          IllegalArgumentException.class,
          () ->
              new GenerationSettings(
                  (int) bad[0],
                  (int) bad[1],
                  bad[2],
                  (int) bad[3],
                  bad[4],
                  bad[5],
                  Set.of(),
                  (int) bad[6]),
          Arrays.toString(bad));
    }
  }

  /** The failure of one worker ends the others' work and reaches the caller. */
  @Test
  void aFailureReachesTheCaller() {
    try (TinySetting setting = llama(new CpuKernels(DType.F32));
        Generator generator = new Generator(setting.model, PREFIXES, settings(8, 2, 1, 0))) {
      List<Integer> seen = new ArrayList<>();
      IllegalStateException failure =
          assertThrows(
              IllegalStateException.class,
              () ->
                  generator.generate(
                      requests(10_000),
                      GeneratorTest::uniform,
                      result -> {
                        seen.add(result.index());
                        if (seen.size() == 3) {
                          throw new IllegalStateException("the disk is full");
                        }
                      }));
      assertEquals("the disk is full", failure.getMessage());
      assertFalse(seen.size() > 100, "texts were sampled after the failure");
    }
  }
}
