package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.FullGradients;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.testing.FullTests;
import palimpsest.testing.TinyModels;

/** Clipped sums of all weights' gradients, which are never held. */
class WeightGradientsTest {
  private static final double CLIP = 0.5;
  private static final int BITS = 20;

  @TempDir Path temporary;

  /** The reference, and every tier that the machine has in both of its types. */
  static Stream<Kernels> providers() {
    Stream<Kernels> cpu =
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .flatMap(
                tier -> Stream.of(DType.F32, DType.BF16).map(type -> new CpuKernels(tier, type)));
    return Stream.concat(Stream.of(new ReferenceKernels()), cpu);
  }

  static Stream<Arguments> cases() {
    return providers()
        .flatMap(kernels ->
            Stream.of(
                    Named.of("llama", TinyModels.llama()),
                    Named.of("llama, untied", TinyModels.untied()),
                    Named.of("gpt2", TinyModels.gpt2()))
                .map(config -> Arguments.of(Named.of(kernels.name(), kernels), config)));
  }

  /** A model, and examples of many lengths. */
  private final class Setting implements AutoCloseable {
    final Kernels kernels;
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final WeightLayout layout;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config) {
      this.kernels = kernels;
      layout = new WeightLayout(config);
      try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"))) {
        decoder = new Decoder(folder, kernels, true, config.contextLength());
      }
      SplittableRandom random = new SplittableRandom(11);
      for (int length : new int[] {2, 3, 18, 33, 66, 1, 5}) {
        int[] tokens = random.ints(length, 0, config.vocabularySize()).toArray();
        examples.add(new Example(tokens, Math.min(length, random.nextInt(3))));
      }
    }

    int rows() {
      return examples.stream().mapToInt(WeightGradientsTest::rows).sum();
    }

    WeightGradients filled(List<Example> group, int rows) {
      WeightGradients gradients =
          new WeightGradients(
              decoder, new AllWeights(decoder, arena), rows, Math.max(1, group.size()), arena);
      gradients.poison();
      group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
      return gradients;
    }

    /** One set for each of some workers. */
    List<WeightGradients> buffers(int workers, int rows, int examples, TensorArena holder) {
      AllWeights weights = new AllWeights(decoder, holder);
      List<WeightGradients> all = new ArrayList<>();
      for (int i = 0; i < workers; i++) {
        all.add(new WeightGradients(decoder, weights, rows, examples, holder));
        all.getLast().poison();
      }
      return all;
    }

    ClippedExamples examples(int count) {
      return new ClippedExamples(count, kernels.wide(), arena);
    }

    /** The sum over a group, all buffers NaN before the pass. */
    ProductSum sum(List<Example> group, int rows) {
      WeightGradients gradients = filled(group, rows);
      ProductSum sum = new ProductSum(layout, CLIP, BITS, arena);
      gradients.accumulate(sum);
      return sum;
    }

    @Override
    public void close() {
      decoder.close();
      arena.close();
    }
  }

  private static int rows(Example example) {
    return Math.max(0, example.tokens().length - 1);
  }

  private static int[] integers(ProductSum sum) {
    int[] z = new int[Math.toIntExact(sum.sums().size())];
    for (int i = 0; i < z.length; i++) {
      z[i] = (int) sum.sums().get(i);
    }
    return z;
  }

  private static BigInteger squares(int[] z) {
    BigInteger sum = BigInteger.ZERO;
    for (int value : z) {
      sum = sum.add(BigInteger.valueOf((long) value * value));
    }
    return sum;
  }

  /**
   * Alone in buffers of its size, and as one of a group in larger ones, which are NaN where nobody
   * wrote: in both, the norm that no gradient was held for is that of the gradient held whole.
   */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R07")
  @Tag("R15")
  @Tag("R40")
  void anExamplesNormIsThatOfItsGradientHeldWhole(Kernels kernels, DecoderConfig config) {
    double tolerance = kernels.wide() == DType.F64 ? 1e-12 : 1e-5;
    try (Setting setting = new Setting(kernels, config)) {
      SplittableRandom random = new SplittableRandom(23);
      List<Example> group = new ArrayList<>();
      for (int rows : new int[] {1, 2, 17, 64, 256}) {
        int[] tokens = random.ints(rows + 1, 0, config.vocabularySize()).toArray();
        group.add(new Example(tokens, rows / 5));
      }
      List<Double> alone = new ArrayList<>();
      for (Example example : group) {
        double expected = heldWhole(setting, List.of(example)).getFirst();
        WeightGradients gradients = setting.filled(List.of(example), rows(example));
        gradients.compute();
        alone.add(gradients.norm(0));
        assertEquals(expected, gradients.norm(0), tolerance * expected, "of " + rows(example));
      }
      WeightGradients gradients = setting.filled(group, 400);
      gradients.compute();
      List<Double> expected = heldWhole(setting, group);
      for (int e = 0; e < group.size(); e++) {
        assertEquals(alone.get(e), gradients.norm(e), "beside others");
        assertEquals(expected.get(e), gradients.norm(e), tolerance * expected.get(e));
      }
    }
  }

  /** Squared norms of gradients that are held. */
  private static List<Double> heldWhole(Setting setting, List<Example> group) {
    try (TensorArena arena = new TensorArena()) {
      int rows = group.stream().mapToInt(WeightGradientsTest::rows).sum();
      TokenGroup tokens = new TokenGroup(rows, group.size(), setting.kernels.wide(), arena);
      group.forEach(example -> tokens.add(example.tokens(), example.prefix()));
      Activations activations =
          new Activations(
              setting.decoder.config(),
              setting.kernels,
              rows,
              rows,
              0,
              Activations.Purpose.BACKWARD,
              arena);
      FullGradients gradients = new FullGradients(setting.decoder, tokens, arena);
      setting.decoder.forward(tokens, null, activations);
      setting.decoder.backward(tokens, null, activations, gradients);
      return IntStream.range(0, group.size()).mapToObj(gradients::square).toList();
    }
  }

  /**
   * The norm that no gradient was held for is that of the integers that entered, so an exact norm
   * needs no repair, and little is lost to it and to the grid.
   */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R28")
  void anExampleFillsTheBoundAndNoMore(Kernels kernels, DecoderConfig config) {
    int bits = 24;
    BigInteger bound = BigInteger.TWO.pow(2 * bits);
    try (Setting setting = new Setting(kernels, config)) {
      for (Example example : setting.examples) {
        WeightGradients gradients = setting.filled(List.of(example), 70);
        ProductSum sum = new ProductSum(setting.layout, CLIP, bits, setting.arena);
        gradients.accumulate(sum);
        assertEquals(0, sum.repaired(), "an exact norm needs no repair");
        assertEquals(0, sum.dropped());
        BigInteger squares = squares(integers(sum));
        assertTrue(squares.compareTo(bound) <= 0);
        double norm = Math.sqrt(squares.doubleValue()) * sum.gridStep();
        double expected = Math.min(CLIP, Math.sqrt(gradients.norm(0)));
        assertEquals(expected, norm, 2e-5 * CLIP, "of " + example.tokens().length);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R34")
  void anExamplesIntegersDoNotDependOnItsMates(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      List<int[]> alone = new ArrayList<>();
      for (Example example : setting.examples) {
        alone.add(integers(setting.sum(List.of(example), Math.max(1, rows(example)))));
      }
      assertTrue(Arrays.stream(alone.get(4)).anyMatch(z -> z != 0), "of something");
      int[] all = new int[alone.getFirst().length];
      for (int[] z : alone) {
        Arrays.setAll(all, i -> all[i] + z[i]);
      }
      for (int shift = 0; shift < setting.examples.size(); shift++) {
        List<Example> rotated = new ArrayList<>(setting.examples);
        Collections.rotate(rotated, shift);
        assertArrayEquals(all, integers(setting.sum(rotated, setting.rows() + 51 + shift)));
        // Without its first: what is left is the others' alone.
        Example left = rotated.removeFirst();
        int[] without = integers(setting.sum(rotated, setting.rows() + 7));
        int[] own = alone.get(setting.examples.indexOf(left));
        for (int i = 0; i < all.length; i++) {
          assertEquals(own[i], all[i] - without[i]);
        }
      }
    }
  }

  /** Nothing of a group stays for the next. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R35")
  void aGroupKnowsNothingOfTheOneBefore(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      Example last = setting.examples.get(3);
      int[] alone = integers(setting.sum(List.of(last), 70));
      assertTrue(Arrays.stream(alone).anyMatch(z -> z != 0), "of something");
      WeightGradients gradients = setting.filled(List.of(setting.examples.get(4)), 70);
      gradients.accumulate(new ProductSum(setting.layout, CLIP, BITS, setting.arena));
      gradients.group().clear();
      gradients.group().add(last.tokens(), last.prefix());
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      gradients.accumulate(sum);
      assertArrayEquals(alone, integers(sum));
    }
  }

  /** A total past 2^60 may be anything, so there is no share that is surely small enough. */
  @ParameterizedTest
  @MethodSource("cases")
  void anExampleWhoseNormCannotBeKnownContributesNothing(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      WeightGradients gradients = setting.filled(setting.examples.subList(3, 5), 120);
      gradients.compute();
      ProductSum sum = new ProductSum(setting.layout, 1e-30, 24, setting.arena);
      ProductSum other = new ProductSum(setting.layout, 1e-30, 24, setting.arena);
      ClippedExamples examples = new ClippedExamples(2, kernels.wide(), setting.arena);
      double[] norms = {0, gradients.norm(1)};
      sum.add(gradients.products(), norms, examples);
      assertEquals(1, sum.dropped());
      norms[0] = Double.NaN;
      other.add(gradients.products(), norms, examples);
      assertArrayEquals(integers(other), integers(sum));
    }
  }

  /** Between entering and being verified something may fail: then nobody gets to see the sum. */
  @Test
  void aSumThatFailedMidwayIsNotRead() {
    Kernels kernels = new ReferenceKernels();
    try (Setting setting = new Setting(kernels, TinyModels.llama())) {
      WeightGradients gradients = setting.filled(setting.examples.subList(0, 1), 8);
      gradients.compute();
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      List<GradientProduct> failing = new ArrayList<>(gradients.products());
      GradientProduct last = failing.removeLast();
      failing.add(
          new GradientProduct(
              last.offset(),
              last.rows(),
              last.cols(),
              (examples, sums) -> {
                throw new IllegalArgumentException("midway");
              },
              last.plain()));
      ClippedExamples examples = setting.examples(1);
      double[] norms = {gradients.norm(0)};
      assertThrows(IllegalArgumentException.class, () -> sum.add(failing, norms, examples));
      assertThrows(IllegalStateException.class, sum::sums);
      sum.clear();
      assertEquals(BigInteger.ZERO, squares(integers(sum)));
    }
  }

  /** The bound does not rest on the norm: it may be wrong by any factor, either way. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R10")
  void aWrongNormIsRepairedNotBelieved(Kernels kernels, DecoderConfig config) {
    BigInteger bound = BigInteger.TWO.pow(2 * BITS);
    try (Setting setting = new Setting(kernels, config)) {
      List<Example> group = setting.examples.subList(2, 5);
      WeightGradients gradients = setting.filled(group, 150);
      gradients.compute();
      double[] right = {gradients.norm(0), gradients.norm(1), gradients.norm(2)};
      for (double wrong : new double[] {1 / 9.0, 9, 1e-12, 0, 1e30}) {
        for (int e = 0; e < 3; e++) {
          double[] norms = right.clone();
          norms[e] *= wrong;
          ProductSum sum = new ProductSum(setting.layout, 1e-3, BITS, setting.arena);
          ProductSum others = new ProductSum(setting.layout, 1e-3, BITS, setting.arena);
          ClippedExamples examples = setting.examples(3);
          sum.add(gradients.products(), norms, examples);
          norms[e] = Double.NaN;
          others.add(gradients.products(), norms, examples);
          assertEquals(wrong < 1 ? 1 : 0, sum.repaired() + sum.dropped());
          int[] with = integers(sum);
          int[] without = integers(others);
          Arrays.setAll(with, i -> with[i] - without[i]);
          assertTrue(squares(with).compareTo(bound) <= 0, "example " + e + ", " + wrong);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R35")
  @Tag("R42")
  void anExampleThatIsNotFiniteContributesNothing(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      Example broken = setting.examples.get(2);
      Example sound = setting.examples.get(3);
      int[] alone = integers(setting.sum(List.of(sound), 64));
      WeightGradients gradients = setting.filled(List.of(), 64);
      WeightGradients two =
          new WeightGradients(
              setting.decoder,
              new AllWeights(setting.decoder, setting.arena),
              64,
              2,
              setting.arena);
      double[] weights = new double[broken.tokens().length];
      Arrays.fill(weights, Double.POSITIVE_INFINITY);
      two.group().add(broken.tokens(), weights);
      two.group().add(sound.tokens(), sound.prefix());
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      two.accumulate(sum);
      assertEquals(1, sum.dropped());
      assertArrayEquals(alone, integers(sum));
    }
  }

  /** What is in no product would be updated without having been clipped. */
  @Test
  void aPartThatIsLeftOutIsRefused() {
    Kernels kernels = new ReferenceKernels();
    try (Setting setting = new Setting(kernels, TinyModels.llama())) {
      WeightGradients gradients = setting.filled(setting.examples.subList(0, 1), 8);
      gradients.compute();
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      assertEquals(setting.layout.size(), sum.sums().size());
      ClippedExamples examples = setting.examples(1);
      double[] norms = {1};
      for (int left = 0; left < gradients.products().size(); left++) {
        List<GradientProduct> some = new ArrayList<>(gradients.products());
        some.remove(left);
        assertThrows(IllegalStateException.class, () -> sum.add(some, norms, examples));
      }
      assertEquals(BigInteger.ZERO, squares(integers(sum)), "nothing has entered");
    }
  }

  /** Without clipping a group's gradient is the sum of its examples', which the integers show. */
  @ParameterizedTest
  @MethodSource("cases")
  void theSumWithoutClippingIsThatOfTheExamples(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      int size = Math.toIntExact(setting.layout.size());
      double[] expected = new double[size];
      double errors = 0;
      for (Example example : setting.examples) {
        WeightGradients one = setting.filled(List.of(example), 70);
        ProductSum sum = new ProductSum(setting.layout, CLIP, 24, setting.arena);
        one.accumulate(sum);
        double unit = sum.gridStep() * Math.max(1, Math.sqrt(one.norm(0)) / CLIP) / (1 - 1e-6);
        int[] z = integers(sum);
        Arrays.setAll(expected, i -> expected[i] + z[i] * unit);
        errors += unit;
      }
      WeightGradients gradients = setting.filled(setting.examples, setting.rows());
      Tensor total = setting.arena.allocate(kernels.wide(), size);
      gradients.accumulatePublic(new OrderedSum(total, gradients.parts()), 0);
      double[] actual = new double[size];
      Arrays.setAll(actual, total::get);
      double scale = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
      assertArrayEquals(expected, actual, errors + 1e-5 * scale);
    }
  }

  /** Neither the threads nor, with clipping, the groups have a say in the bits. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R05")
  void workersAndGroupsDoNotChangeTheSum(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      int[] clipped = null;
      double[] plain = null;
      int longest = setting.examples.stream().mapToInt(WeightGradientsTest::rows).max().getAsInt();
      for (int workers : new int[] {1, 2, 4}) {
        try (TensorArena arena = new TensorArena();
            Workers threads = new Workers(workers, "test")) {
          ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, arena);
          try (BatchGradient gradient =
              BatchGradient.clipped(threads, setting.buffers(workers, longest, 2, arena), sum)) {
            // Which worker takes which group, and when, is another in each run: 100 in the full
            // suite.
            for (int run = 1; run <= FullTests.size(2, 100); run++) {
              gradient.accumulate(setting.examples);
              clipped = clipped == null ? integers(sum) : clipped;
              assertArrayEquals(clipped, integers(sum), workers + " workers, run " + run);
            }
          }
          try (BatchGradient gradient =
              BatchGradient.clipped(
                  threads, setting.buffers(workers, longest + workers * 40, 7, arena), sum)) {
            gradient.accumulate(setting.examples);
          }
          assertArrayEquals(clipped, integers(sum), "other groups");
          Tensor total = arena.allocate(kernels.wide(), setting.layout.size());
          try (BatchGradient gradient =
              BatchGradient.plain(threads, setting.buffers(workers, longest, 2, arena))) {
            gradient.accumulatePublic(setting.examples, total);
          }
          double[] values = new double[(int) total.size()];
          Arrays.setAll(values, total::get);
          plain = plain == null ? values : plain;
          assertArrayEquals(plain, values, workers + " workers, without clipping");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void anExampleWithoutATargetContributesExactlyZero(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      List<Example> silent =
          List.of(
              new Example(new int[0], 0),
              new Example(new int[] {5}, 0),
              new Example(new int[] {5, 6, 7}, 3));
      assertEquals(BigInteger.ZERO, squares(integers(setting.sum(silent, 20))));
      List<Example> mixed = new ArrayList<>(silent);
      mixed.add(1, setting.examples.get(3));
      int[] alone = integers(setting.sum(List.of(setting.examples.get(3)), 64));
      assertArrayEquals(alone, integers(setting.sum(mixed, 80)));
    }
  }

  /**
   * Every number that an update moves is one of the sum's, at the same place: each tensor of the
   * model that is written has moved by what the sum has of it, and by nothing else.
   */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R41")
  void everyParameterThatIsUpdatedWentThroughTheSum(Kernels kernels, DecoderConfig config) {
    Path written = temporary.resolve("written");
    try (Setting setting = new Setting(kernels, config);
        ModelFolder base = ModelFolder.open(temporary.resolve("model"));
        TunedDecoder model =
            TunedDecoder.begin(
                base, kernels, 256, new TuningMethod.Full(), new SplittableRandom(1));
        Workers threads = new Workers(1, "test")) {
      AllWeights weights = (AllWeights) model.tuned();
      ClippedSum sum = ClippedSum.of(model.decoder(), weights, CLIP, BITS, setting.arena);
      assertEquals(config.parameterCount(), weights.size());
      assertEquals(weights.size(), sum.sums().size());
      assertEquals(weights.size(), weights.parameters().size());
      BatchGradient.clipped(threads, setting.buffers(1, setting.rows(), 7, setting.arena), sum)
          .accumulate(setting.examples);
      long still = 0;
      for (int z : integers((ProductSum) sum)) {
        still += z == 0 ? 1 : 0;
      }
      // Positions past the longest example, tokens that nobody used: the rest has a gradient.
      assertTrue(still < 0.9 * weights.size(), still + " of " + weights.size());

      sum.clear();
      List<String> names = names(base);
      for (int i = 0; i < names.size(); i++) {
        only(config, names.get(i)).of(weights.layout(), sum.sums()).fill(i + 1);
      }
      Optimizer.Sgd descent = new Optimizer.Sgd(1, 0, 0);
      OptimizerState optimizer =
          OptimizerState.of(descent, weights.method().blocks(config), kernels, setting.arena);
      optimizer.update(sum.sums(), 0, 0.25, descent, 1, weights.parameters());
      optimizer.end(threads, sum.sums(), 0.25, descent, 1, weights.parameters());
      weights.pack();
      model.write(written, "tiny");
      try (ModelFolder moved = ModelFolder.open(written)) {
        for (int i = 0; i < names.size(); i++) {
          Place place = only(config, names.get(i));
          Tensor before = place.of(base);
          Tensor after = place.of(moved);
          for (long at = 0; at < before.size(); at++) {
            double expected = before.get(at) - 0.25 * (i + 1);
            // Half a unit in bfloat16's last place, the type of its matrices.
            assertEquals(expected, after.get(at), Math.abs(expected) / 256 + 1e-6, names.get(i));
          }
        }
      }
    }
  }

  private static List<String> names(ModelFolder folder) {
    try (SafetensorsFolder file = SafetensorsFolder.open(folder.path())) {
      return List.copyOf(file.names());
    }
  }

  /** Where a tensor is. */
  private record Place(Role role, int layer, boolean vector, boolean bias) {
    Tensor of(WeightLayout layout, Tensor flat) {
      return vector
          ? layout.vector(role, layer, bias).of(layout.vectors(flat))
          : layout.matrix(role, layer).of(flat);
    }

    Tensor of(ModelFolder folder) {
      return bias ? folder.bias(role, layer).orElseThrow() : folder.weight(role, layer);
    }
  }

  /** Of the tensor with this name in the model's file. */
  private static Place only(DecoderConfig config, String name) {
    WeightLayout one = new WeightLayout(config, new TensorPatterns(List.of(name)));
    if (one.matrices().isEmpty()) {
      WeightLayout.Vector vector = one.vectors().getFirst();
      return new Place(vector.role(), vector.layer(), true, vector.bias());
    }
    WeightLayout.Matrix matrix = one.matrices().getFirst();
    return new Place(matrix.role(), matrix.layer(), false, false);
  }

  /** A worker that fails leaves a sum that is empty and can be used again. */
  @ParameterizedTest
  @MethodSource("cases")
  void aFailedWorkerLeavesNothing(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config);
        Workers threads = new Workers(2, "test")) {
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      List<Example> broken = new ArrayList<>(setting.examples);
      broken.add(new Example(new int[] {1, Integer.MAX_VALUE, 3}, 0));
      try (BatchGradient gradient =
          BatchGradient.clipped(threads, setting.buffers(2, 80, 2, setting.arena), sum)) {
        gradient.accumulate(setting.examples);
        int[] expected = integers(sum);
        assertThrows(IllegalStateException.class, () -> gradient.accumulate(broken));
        assertEquals(BigInteger.ZERO, squares(integers(sum)));
        gradient.accumulate(setting.examples);
        assertArrayEquals(expected, integers(sum));
      }
    }
  }

  /**
   * A part of the sum is one worker's at a time: an addition that another one's overwrites would be
   * lost, and one that is lost while an example is taken out leaves what was never verified. Every
   * example here is over the bound, so each addition is followed by a repair.
   */
  @Test
  void noTwoWorkersAddToAPartAtATime() {
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(4, "test")) {
      WeightLayout layout = new WeightLayout(TinyModels.llama());
      ProductSum sum = new ProductSum(layout, CLIP, BITS, arena);
      AtomicInteger[] inside = new AtomicInteger[layout.partOffsets().size()];
      AtomicInteger most = new AtomicInteger();
      List<GradientProduct> products = new ArrayList<>();
      for (WeightLayout.Matrix matrix : layout.matrices()) {
        products.add(
            counting(matrix.offset(), matrix.rows(), matrix.cols(), inside, products.size(), most));
      }
      products.add(
          counting(layout.vectorsOffset(), 1, layout.vectorsSize(), inside, products.size(), most));
      threads.run((worker, _) -> {
        ClippedExamples examples;
        synchronized (arena) {
          examples = new ClippedExamples(1, DType.F32, arena);
        }
        for (int repeat = 0; repeat < 20; repeat++) {
          sum.add(products, new double[] {1}, examples);
        }
      });
      assertEquals(1, most.get());
      assertEquals(4 * 20, sum.repaired());
    }
  }

  private static GradientProduct counting(
      long offset, long rows, long cols, AtomicInteger[] inside, int part, AtomicInteger most) {
    inside[part] = new AtomicInteger();
    return new GradientProduct(
        offset,
        rows,
        cols,
        (examples, sums) -> {
          int now = inside[part].incrementAndGet();
          most.accumulateAndGet(now, Math::max);
          examples.totals().setLong(0, 1L << 50);
          Thread.yield();
          inside[part].decrementAndGet();
        },
        sums -> {});
  }
}
