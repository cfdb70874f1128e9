package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.FullTests;
import palimpsest.testing.TinyModels;

/**
 * The premise of verified clipping: the integers of an example depend on the example, the weights
 * and public constants only, to the bit. Every provider, tier, way of tuning and model family, and
 * a wide model with long examples, where the CPU kernels cut a sum over inputs (1024 at a time) and
 * one over tokens (256 at a time) into pieces.
 */
class BatchInvarianceTest {
  private static final double CLIP = 0.5;
  private static final int BITS = 20;

  private static final List<TuningMethod> METHODS =
      List.of(TuningMethod.Lora.of(4), new TuningMethod.Prompt(5), new TuningMethod.Bias(Set.of()));

  private static final List<TuningMethod> ALL_WEIGHTS =
      Stream.of(Norms.values()).<TuningMethod>map(TuningMethod.Full::new).toList();

  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return cases(METHODS);
  }

  static Stream<Arguments> casesOfAllWeights() {
    return cases(ALL_WEIGHTS);
  }

  private static Stream<Arguments> cases(List<TuningMethod> methods) {
    Stream<Kernels> cpu =
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .flatMap(
                tier -> Stream.of(DType.F32, DType.BF16).map(type -> new CpuKernels(tier, type)));
    return Stream.concat(Stream.of(new ReferenceKernels()), cpu)
        .flatMap(kernels -> {
          Stream<Named<DecoderConfig>> models =
              Stream.of(Named.of("llama", TinyModels.llama()), Named.of("gpt2", TinyModels.gpt2()));
          // The reference cuts no sum, and takes long for the wide model.
          Stream<Named<DecoderConfig>> wide =
              kernels instanceof CpuKernels
                  ? Stream.of(Named.of("wide", TinyModels.wide()))
                  : Stream.empty();
          return Stream.concat(models, wide)
              .flatMap(config ->
                  methods.stream()
                      .map(method ->
                          Arguments.of(Named.of(kernels.name(), kernels), config, method)));
        });
  }

  /** Of many lengths; the wide model's reach over two and over three pieces of tokens. */
  private static int[] lengths(DecoderConfig config) {
    return config.vocabularySize() > 1024
        ? new int[] {300, 3, 18, 33, 530}
        : new int[] {2, 3, 18, 33, 65, 130, 1, 5};
  }

  /** A model that is tuned in some way, and examples of many lengths. */
  private final class Setting implements AutoCloseable {
    final Kernels kernels;
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final Trainable tuned;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config, TuningMethod method) {
      this.kernels = kernels;
      try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"))) {
        decoder = new Decoder(folder, kernels, true, config.contextLength());
      }
      tuned = method.parameters(decoder, arena);
      SplittableRandom random = new SplittableRandom(11);
      for (long i = 0; i < tuned.size(); i++) {
        tuned.parameters().set(i, 0.2 * random.nextGaussian());
      }
      tuned.pack();
      for (int length : lengths(config)) {
        int[] tokens = random.ints(length, 0, config.vocabularySize()).toArray();
        examples.add(new Example(tokens, Math.min(length, random.nextInt(3))));
      }
    }

    /** Rows of all examples together. */
    int rows() {
      return examples.stream().mapToInt(this::rows).sum();
    }

    int rows(Example example) {
      int tokens = example.tokens().length;
      return tokens < 2 ? 0 : tuned.prompt().length + tokens - 1;
    }

    int longest() {
      return examples.stream().mapToInt(this::rows).max().orElseThrow();
    }

    SmallGradients gradients(int rows, int examples, TensorArena holder) {
      return (SmallGradients) ExampleGradients.of(decoder, tuned, rows, examples, holder);
    }

    /**
     * The integers of every example of a group, in its order; all buffers are NaN before the pass.
     */
    List<long[]> integers(int rows, List<Example> group) {
      try (TensorArena scratch = new TensorArena()) {
        SmallGradients gradients = gradients(rows, Math.max(1, group.size()), scratch);
        gradients.poison();
        group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
        gradients.compute();
        List<long[]> all = new ArrayList<>();
        for (int e = 0; e < group.size(); e++) {
          VectorSum sum = new VectorSum(kernels, tuned.size(), CLIP, BITS, scratch);
          sum.add(gradients.gradient(e));
          assertEquals(0, sum.repaired(), "an exact norm needs no repair");
          assertEquals(0, sum.dropped());
          all.add(values(sum.sums()));
        }
        return all;
      }
    }

    /**
     * The integers of a group of all weights together: of one alone nothing is held. All buffers
     * are NaN before the pass.
     */
    int[] sumOfAllWeights(int rows, List<Example> group) {
      try (TensorArena scratch = new TensorArena()) {
        AllWeights weights = (AllWeights) tuned;
        WeightGradients gradients =
            new WeightGradients(decoder, weights, rows, group.size(), scratch);
        gradients.poison();
        gradients.startStep(3);
        group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
        ProductSum sum = new ProductSum(weights.layout(), CLIP, BITS, scratch);
        gradients.accumulate(sum);
        assertEquals(0, sum.dropped());
        int[] values = new int[Math.toIntExact(sum.sums().size())];
        Arrays.setAll(values, i -> (int) sum.sums().getLong(i));
        return values;
      }
    }

    @Override
    public void close() {
      decoder.close();
      arena.close();
    }
  }

  private static long[] values(Tensor sums) {
    long[] values = new long[(int) sums.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = sums.getLong(i);
    }
    return values;
  }

  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R09")
  @Tag("R34")
  void anExamplesIntegersDoNotDependOnItsMates(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      List<Example> examples = setting.examples;
      List<long[]> alone = new ArrayList<>();
      for (Example example : examples) {
        alone.add(
            setting.integers(Math.max(1, setting.rows(example)), List.of(example)).getFirst());
      }
      assertTrue(
          Arrays.stream(alone.get(4)).anyMatch(z -> z != 0), "the comparison must be of something");
      // Every example first, in the middle and last, beside short and long mates, in a larger
      // buffer.
      for (int shift = 0; shift < examples.size(); shift++) {
        List<Example> rotated = new ArrayList<>(examples);
        Collections.rotate(rotated, shift);
        List<long[]> together = setting.integers(setting.rows() + 51 + shift, rotated);
        for (int i = 0; i < examples.size(); i++) {
          int example = Math.floorMod(i - shift, examples.size());
          assertArrayEquals(
              alone.get(example), together.get(i), "example " + example + " at place " + i);
        }
      }
    }
  }

  /** Each example's norm and products are of its own rows, wherever these lie in a group. */
  @ParameterizedTest
  @MethodSource("casesOfAllWeights")
  @Tag("R09")
  @Tag("R34")
  void anExamplesIntegersOfAllWeightsDoNotDependOnItsMates(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      List<Example> examples = setting.examples;
      int[] expected = new int[Math.toIntExact(setting.tuned.size())];
      for (Example example : examples) {
        int[] alone = setting.sumOfAllWeights(Math.max(1, setting.rows(example)), List.of(example));
        Arrays.setAll(expected, i -> expected[i] + alone[i]);
      }
      assertTrue(
          Arrays.stream(expected).anyMatch(z -> z != 0), "the comparison must be of something");
      for (int shift = 0; shift < examples.size(); shift++) {
        List<Example> rotated = new ArrayList<>(examples);
        Collections.rotate(rotated, shift);
        assertArrayEquals(
            expected,
            setting.sumOfAllWeights(setting.rows() + 51 + shift, rotated),
            "rotated by " + shift);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R35")
  void aMateWithNonFiniteNumbersChangesNothing(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method);
        TensorArena scratch = new TensorArena()) {
      List<Example> pair = List.of(setting.examples.get(2), setting.examples.get(3));
      long[] alone = setting.integers(64, pair.subList(1, 2)).getFirst();
      SmallGradients gradients = setting.gradients(64, 2, scratch);
      VectorSum sum = new VectorSum(kernels, setting.tuned.size(), CLIP, BITS, scratch);
      // A weight of infinity makes the first example's loss gradient infinite or NaN throughout.
      int[] tokens = pair.getFirst().tokens();
      double[] weights = new double[tokens.length];
      Arrays.fill(weights, Double.POSITIVE_INFINITY);
      gradients.group().add(tokens, weights);
      gradients.group().add(pair.getLast().tokens(), pair.getLast().prefix());
      gradients.accumulate(sum);
      assertEquals(1, sum.dropped(), "the broken example contributes nothing");
      assertArrayEquals(alone, values(sum.sums()));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R05")
  void workersAndMicroBatchesDoNotChangeTheSum(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      List<Example> batch = new ArrayList<>(setting.examples);
      batch.addAll(setting.examples);
      int longest = setting.longest();
      long[] expected = sum(setting, batch, 1, longest, 1);
      assertArrayEquals(expected, sum(setting, batch, 1, longest + 71, 7));
      assertArrayEquals(expected, sum(setting, batch, 2, 2 * setting.rows(), 64));
      assertArrayEquals(expected, sum(setting, batch, 2, longest, 3));
    }
  }

  /** Which worker takes which group, and when, is another in each run: 100 in the full suite. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R05")
  void repeatedRunsGiveTheSameSum(Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      List<Example> batch = new ArrayList<>(setting.examples);
      batch.addAll(setting.examples);
      long[] expected = sum(setting, batch, 1, setting.longest(), 1);
      for (int workers : new int[] {1, 2, 4}) {
        for (int run = 1; run <= FullTests.size(2, 100); run++) {
          long[] sum = sum(setting, batch, workers, setting.longest(), 2);
          assertArrayEquals(expected, sum, "run " + run + " with " + workers + " workers");
        }
      }
    }
  }

  private static long[] sum(
      Setting setting, List<Example> batch, int workers, int rows, int examples) {
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(workers, "test")) {
      List<ExampleGradients> buffers = new ArrayList<>();
      for (int i = 0; i < workers; i++) {
        buffers.add(setting.gradients(rows, examples, arena));
      }
      VectorSum total = new VectorSum(setting.kernels, setting.tuned.size(), CLIP, BITS, arena);
      try (BatchGradient gradient = BatchGradient.clipped(threads, buffers, total)) {
        gradient.accumulate(batch);
      }
      return values(total.sums());
    }
  }
}
