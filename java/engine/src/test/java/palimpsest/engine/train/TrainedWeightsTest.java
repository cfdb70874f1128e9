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
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.FiniteDifferences;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.FullGradients;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Gradients by some of a model's weights, the others frozen: a clipped sum of those alone. */
class TrainedWeightsTest {
  private static final double CLIP = 0.5;
  private static final int BITS = 20;

  /** Matrices alone, vectors alone, either half of a layer, the ends of the model, and all. */
  private static final List<String> LLAMA =
      List.of(
          "*",
          "*.mlp.*",
          "*norm*",
          "model.layers.1.*",
          "model.layers.1.mlp.down_proj.weight",
          "model.layers.?.self_attn.k_proj.weight,model.norm.weight",
          "model.embed_tokens.weight",
          "!model.embed_tokens.weight",
          "model.norm.weight");

  private static final List<String> GPT2 =
      List.of(
          "*",
          "*.bias",
          "*.weight",
          "wpe.weight",
          "h.1.ln_1.bias,h.1.mlp.c_proj.weight",
          "h.0.attn.c_attn.*,!*.bias",
          "wte.weight");

  private static final List<String> UNTIED =
      List.of("lm_head.weight", "lm_head.weight,model.embed_tokens.weight", "!lm_head.weight");

  @TempDir Path temporary;

  static Stream<Arguments> onEveryTier() {
    return cases(WeightGradientsTest.providers());
  }

  /** For which weights are trained, which is no tier's matter. */
  static Stream<Arguments> onTheBestTier() {
    return cases(
        Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32), new CpuKernels(DType.BF16)));
  }

  private static Stream<Arguments> cases(Stream<Kernels> providers) {
    return providers.flatMap(kernels ->
        Stream.of(
                of(kernels, "llama", TinyModels.llama(), LLAMA),
                of(kernels, "gpt2", TinyModels.gpt2(), GPT2),
                of(kernels, "untied", TinyModels.untied(), UNTIED))
            .flatMap(stream -> stream));
  }

  private static Stream<Arguments> of(
      Kernels kernels, String name, DecoderConfig config, List<String> patterns) {
    return patterns.stream()
        .map(p ->
            Arguments.of(
                Named.of(kernels.name(), kernels),
                Named.of(name, config),
                new TensorPatterns(List.of(p.split(",")))));
  }

  /** A model, what is trained of it, and examples of many lengths. */
  private final class Setting implements AutoCloseable {
    final Kernels kernels;
    final TensorPatterns trained;
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final WeightLayout layout;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config, TensorPatterns trained) {
      this.kernels = kernels;
      this.trained = trained;
      layout = new WeightLayout(config, trained);
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
      return examples.stream().mapToInt(TrainedWeightsTest::rows).sum();
    }

    WeightGradients filled(List<Example> group, int rows) {
      WeightGradients gradients =
          new WeightGradients(
              decoder,
              new AllWeights(decoder, new TuningMethod.Full(trained), arena),
              rows,
              Math.max(1, group.size()),
              arena);
      gradients.poison();
      group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
      return gradients;
    }

    ProductSum sum(List<Example> group, int rows) {
      ProductSum sum = new ProductSum(layout, CLIP, BITS, arena);
      filled(group, rows).accumulate(sum);
      return sum;
    }

    /** An example's gradient by what is trained, from one by every weight that is held whole. */
    double[] heldWhole(Example example) {
      try (TensorArena scratch = new TensorArena()) {
        int rows = Math.max(1, TrainedWeightsTest.rows(example));
        TokenGroup tokens = new TokenGroup(rows, 1, kernels.wide(), scratch);
        tokens.add(example.tokens(), example.prefix());
        Activations activations =
            new Activations(
                decoder.config(), kernels, rows, rows, 0, Activations.Purpose.BACKWARD, scratch);
        FullGradients gradients = new FullGradients(decoder, tokens, scratch);
        decoder.forward(tokens, null, activations);
        decoder.backward(tokens, null, activations, gradients);
        return gradients.flat(0, layout);
      }
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
    Arrays.setAll(z, i -> (int) sum.sums().get(i));
    return z;
  }

  private static BigInteger squares(int[] z) {
    return Arrays.stream(z)
        .mapToObj(value -> BigInteger.valueOf((long) value * value))
        .reduce(BigInteger.ZERO, BigInteger::add);
  }

  private static double square(double[] gradient) {
    return Arrays.stream(gradient).map(g -> g * g).sum();
  }

  /**
   * The norm and the integers are those of the trained tensors' gradient, number by number; what is
   * frozen has no part in either.
   */
  @ParameterizedTest
  @MethodSource("onTheBestTier")
  void normAndIntegersAreThoseOfTheTrainedTensorsAlone(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    double tolerance = kernels.wide() == DType.F64 ? 1e-11 : 2e-5;
    try (Setting setting = new Setting(kernels, config, trained)) {
      WeightGradients together = setting.filled(setting.examples, setting.rows() + 9);
      together.compute();
      for (int e = 0; e < setting.examples.size(); e++) {
        Example example = setting.examples.get(e);
        double[] expected = setting.heldWhole(example);
        double square = square(expected);
        WeightGradients alone = setting.filled(List.of(example), 70);
        ProductSum sum = new ProductSum(setting.layout, CLIP, 24, setting.arena);
        alone.accumulate(sum);
        assertEquals(square, alone.norm(0), tolerance * square);
        assertEquals(alone.norm(0), together.norm(e), "beside others");
        assertEquals(0, sum.repaired() + sum.dropped());
        double unit = sum.gridStep() * Math.max(1, Math.sqrt(square) / CLIP) / (1 - 1e-6);
        int[] z = integers(sum);
        double[] entered = new double[z.length];
        Arrays.setAll(entered, i -> z[i] * unit);
        assertArrayEquals(expected, entered, 1.001 * unit + tolerance * Math.sqrt(square));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("onEveryTier")
  @Tag("R34")
  void anExamplesIntegersDoNotDependOnItsMates(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    try (Setting setting = new Setting(kernels, config, trained)) {
      int[] all = new int[Math.toIntExact(setting.layout.size())];
      for (Example example : setting.examples) {
        int[] alone = integers(setting.sum(List.of(example), Math.max(1, rows(example))));
        Arrays.setAll(all, i -> all[i] + alone[i]);
      }
      assertTrue(Arrays.stream(all).anyMatch(z -> z != 0), "of something");
      for (int shift = 0; shift < setting.examples.size(); shift += 3) {
        List<Example> rotated = new ArrayList<>(setting.examples);
        Collections.rotate(rotated, shift);
        assertArrayEquals(all, integers(setting.sum(rotated, setting.rows() + 5 + shift)));
      }
    }
  }

  /** The bound is that of the trained vector, and rests on no norm. */
  @ParameterizedTest
  @MethodSource("onTheBestTier")
  @Tag("R10")
  void aWrongNormIsRepairedNotBelieved(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    BigInteger bound = BigInteger.TWO.pow(2 * BITS);
    try (Setting setting = new Setting(kernels, config, trained)) {
      Example example = setting.examples.get(3);
      WeightGradients gradients = setting.filled(List.of(example), 40);
      gradients.compute();
      for (double wrong : new double[] {1 / 9.0, 9, 1e-12, 0, 1e30}) {
        ProductSum sum = new ProductSum(setting.layout, 1e-4, BITS, setting.arena);
        ClippedExamples examples = new ClippedExamples(1, kernels.wide(), setting.arena);
        sum.add(gradients.products(), new double[] {gradients.norm(0) * wrong}, examples);
        assertEquals(wrong < 1 ? 1 : 0, sum.repaired() + sum.dropped(), "at " + wrong);
        assertTrue(squares(integers(sum)).compareTo(bound) <= 0, "at " + wrong);
      }
    }
  }

  /** What is updated is what was summed: as many numbers, all of them trained, and no part less. */
  @ParameterizedTest
  @MethodSource("onTheBestTier")
  @Tag("R41")
  void everyParameterThatIsUpdatedWentThroughTheSum(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    try (Setting setting = new Setting(kernels, config, trained)) {
      TuningMethod method = new TuningMethod.Full(trained);
      AllWeights weights = (AllWeights) method.parameters(setting.decoder, setting.arena);
      assertEquals(method, weights.method());
      ClippedSum sum = ClippedSum.of(setting.decoder, weights, CLIP, BITS, setting.arena);
      assertEquals(method.parameterCount(config), weights.size());
      assertEquals(weights.size(), weights.parameters().size());
      assertEquals(weights.size(), sum.sums().size());
      WeightGradients gradients = setting.filled(setting.examples, setting.rows());
      assertEquals(weights.size(), gradients.size());
      gradients.accumulate(sum);
      List<GradientProduct> products = gradients.products();
      assertEquals(setting.layout.partOffsets().size(), products.size());
      assertEquals(products.size(), gradients.parts());
      ClippedExamples examples =
          new ClippedExamples(setting.examples.size(), kernels.wide(), setting.arena);
      for (GradientProduct left : products) {
        List<GradientProduct> some = new ArrayList<>(products);
        some.remove(left);
        assertThrows(
            IllegalStateException.class,
            () -> ((ProductSum) sum).add(some, new double[setting.examples.size()], examples));
      }
    }
  }

  /** Neither the threads nor the groups have a say in the bits. */
  @ParameterizedTest
  @MethodSource("onEveryTier")
  void workersAndGroupsDoNotChangeTheSum(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    try (Setting setting = new Setting(kernels, config, trained)) {
      int[] expected = integers(setting.sum(setting.examples, setting.rows()));
      for (int workers : new int[] {1, 3}) {
        try (TensorArena arena = new TensorArena();
            Workers threads = new Workers(workers, "test")) {
          AllWeights weights =
              new AllWeights(setting.decoder, new TuningMethod.Full(trained), arena);
          List<ExampleGradients> buffers = new ArrayList<>();
          for (int i = 0; i < workers; i++) {
            buffers.add(ExampleGradients.of(setting.decoder, weights, 70, 2, arena));
          }
          ClippedSum sum = ClippedSum.of(setting.decoder, weights, CLIP, BITS, arena);
          try (BatchGradient gradient = BatchGradient.clipped(threads, buffers, sum)) {
            gradient.accumulate(setting.examples);
          }
          assertArrayEquals(expected, integers((ProductSum) sum), workers + " workers");
        }
      }
    }
  }

  /** What is planned for a worker is what it takes, but for some indices. */
  @ParameterizedTest
  @MethodSource("onTheBestTier")
  void aWorkersBuffersAreAsLargeAsPlanned(
      Kernels kernels, DecoderConfig config, TensorPatterns trained) {
    try (Setting setting = new Setting(kernels, config, trained);
        TensorArena holder = new TensorArena();
        TensorArena arena = new TensorArena()) {
      AllWeights weights = new AllWeights(setting.decoder, new TuningMethod.Full(trained), holder);
      ExampleGradients.of(setting.decoder, weights, 256, 8, arena);
      long planned =
          ExampleGradients.bytes(config, kernels, new TuningMethod.Full(trained), 256, 8, false);
      assertEquals(planned, arena.bytes(), 0.03 * arena.bytes());
    }
  }

  static Stream<Arguments> differences() {
    return Stream.of(
        Arguments.of(
            TinyModels.llama(),
            List.of("model.layers.?.self_attn.k_proj.weight", "*norm*", "!model.norm.weight")),
        Arguments.of(TinyModels.llama(), List.of("model.embed_tokens.weight")),
        Arguments.of(TinyModels.untied(), List.of("lm_head.weight", "*norm*")),
        Arguments.of(TinyModels.gpt2(), List.of("*.bias", "h.1.ln_1.weight")),
        Arguments.of(TinyModels.gpt2(), List.of("h.0.attn.c_proj.weight", "wte.weight")));
  }

  /** Of the loss as a function of the weights that are trained. */
  @ParameterizedTest
  @MethodSource("differences")
  @Tag("R12")
  void theGradientIsThatOfTheLoss(DecoderConfig config, List<String> patterns) {
    Kernels kernels = new ReferenceKernels();
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"));
        Decoder decoder = new Decoder(folder, kernels, true, 32);
        TensorArena arena = new TensorArena()) {
      AllWeights weights =
          new AllWeights(decoder, new TuningMethod.Full(new TensorPatterns(patterns)), arena);
      weights.initialize(folder, new SplittableRandom(1));
      WeightGradients gradients = new WeightGradients(decoder, weights, 16, 1, arena);
      gradients.poison();
      gradients.group().add(new int[] {3, 9, 4, 1, 60, 11, 2}, 1);
      Tensor total = arena.allocate(DType.F64, weights.size());
      gradients.accumulatePublic(new OrderedSum(total, gradients.parts()), 0);
      Activations activations =
          new Activations(config, kernels, 16, 16, 0, Activations.Purpose.FORWARD, arena);
      FiniteDifferences.check(
          patterns.toString(),
          () -> {
            weights.pack();
            decoder.forward(gradients.group(), weights, activations);
            decoder.losses(gradients.group(), activations);
            return activations.loss(gradients.group());
          },
          weights.parameters(),
          total);
    }
  }
}
