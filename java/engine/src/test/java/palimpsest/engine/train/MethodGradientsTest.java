package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
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
import palimpsest.engine.kernel.FiniteDifferences;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.NaiveKernels;
import palimpsest.testing.TinyModels;

/** Per-example gradients of every way of tuning. */
class MethodGradientsTest {
  private static final List<TuningMethod> METHODS =
      List.of(
          TuningMethod.Lora.of(2),
          new TuningMethod.Prompt(3),
          new TuningMethod.Bias(Set.of()),
          new TuningMethod.Bias(EnumSet.of(Role.ATTENTION_OUTPUT, Role.DOWN)));

  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return Stream.of(TinyModels.llama(), TinyModels.gpt2())
        .flatMap(config ->
            METHODS.stream()
                .map(method -> Arguments.of(Named.of(config.family(), config), method)));
  }

  /** The reference, and the CPU library in both of its types. */
  private static List<Kernels> providers() {
    return List.of(new ReferenceKernels(), new CpuKernels(DType.F32), new CpuKernels(DType.BF16));
  }

  /** A model that is tuned in some way, and three examples. */
  private final class Setting implements AutoCloseable {
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final Trainable tuned;
    final DecoderGradients gradients;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config, TuningMethod method) {
      Path path = temporary.resolve("model");
      try (ModelFolder folder =
          path.toFile().exists() ? ModelFolder.open(path) : TinyModels.write(config, path)) {
        decoder = new Decoder(folder, kernels, true, 64);
      }
      tuned = method.parameters(decoder, arena);
      SplittableRandom random = new SplittableRandom(19);
      for (long i = 0; i < tuned.size(); i++) {
        tuned.parameters().set(i, 0.2 * random.nextGaussian());
      }
      tuned.pack();
      gradients = (DecoderGradients) ExampleGradients.of(decoder, tuned, 64, 4, arena);
      for (int length : new int[] {9, 2, 14}) {
        int[] tokens = random.ints(length, 0, config.vocabularySize()).toArray();
        examples.add(new Example(tokens, length / 4));
      }
    }

    /** Computes the gradients of some examples; all buffers are NaN before. */
    void compute(List<Example> group) {
      gradients.poison();
      gradients.group().clear();
      group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
      gradients.compute();
    }

    /** The mean loss of the texts' tokens, an example alone, at the present parameters. */
    double loss(Example example) {
      TokenGroup group = gradients.group();
      group.clear();
      group.add(example.tokens(), example.prefix());
      tuned.pack();
      decoder.forward(group, tuned, gradients.activations());
      decoder.losses(group, gradients.activations());
      double sum = 0;
      for (int i = 0; i < group.weightedRows(); i++) {
        sum += gradients.activations().nll(i);
      }
      return sum / group.weightedRows();
    }

    double[] gradient(int example) {
      return values(gradients.gradient(example));
    }

    @Override
    public void close() {
      arena.close();
      decoder.close();
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  /** The third example's, computed beside the others. */
  @ParameterizedTest
  @MethodSource("cases")
  @Tag("R12")
  void everyGradientIsThatOfTheExamplesLoss(DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(new ReferenceKernels(), config, method)) {
      setting.compute(setting.examples);
      Tensor gradient =
          setting
              .arena
              .allocate(DType.F64, setting.tuned.size())
              .copyFrom(setting.gradients.gradient(2));
      FiniteDifferences.check(
          method.id(),
          () -> setting.loss(setting.examples.get(2)),
          setting.tuned.parameters(),
          gradient);
    }
  }

  /**
   * What is updated is the whole of the flat parameters; no number of an example's gradient is left
   * as it was, so all of them enter the norm and the sum.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void everyParameterThatIsUpdatedWentThroughTheSum(DecoderConfig config, TuningMethod method) {
    for (Kernels kernels : providers()) {
      try (Setting setting = new Setting(kernels, config, method)) {
        long size = method.parameterCount(config);
        assertEquals(size, setting.tuned.size());
        assertEquals(size, setting.tuned.parameters().size());
        assertEquals(size, setting.gradients.size());
        setting.compute(setting.examples);
        for (int e = 0; e < setting.examples.size(); e++) {
          double[] gradient = setting.gradient(e);
          assertEquals(size, gradient.length);
          assertTrue(Arrays.stream(gradient).allMatch(Double::isFinite), kernels.name());
          assertTrue(Arrays.stream(gradient).anyMatch(g -> g != 0), kernels.name());
        }
        VectorSum sum = new VectorSum(kernels, size, 1, 20, setting.arena);
        setting.gradients.accumulate(sum);
        assertEquals(size, sum.sums().size());
        assertEquals(0, sum.dropped());
      }
    }
  }

  /** A record without a token that counts adds exactly nothing, prompt or not. */
  @ParameterizedTest
  @MethodSource("cases")
  void anExampleWithoutATargetContributesExactlyZero(DecoderConfig config, TuningMethod method) {
    for (Kernels kernels : providers()) {
      try (Setting setting = new Setting(kernels, config, method)) {
        setting.compute(
            List.of(
                setting.examples.get(0),
                new Example(new int[0], 0),
                new Example(new int[] {5, 6, 7}, 3)));
        for (int e : new int[] {1, 2}) {
          double[] gradient = setting.gradient(e);
          assertArrayEquals(new double[gradient.length], gradient, 0.0);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void thePublicSumIsThatOfTheExamples(DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(new ReferenceKernels(), config, method)) {
      setting.compute(setting.examples);
      double[] expected = new double[(int) setting.tuned.size()];
      for (int e = 0; e < setting.examples.size(); e++) {
        double[] gradient = setting.gradient(e);
        Arrays.setAll(expected, i -> expected[i] + gradient[i]);
      }
      Tensor sum = setting.arena.allocate(DType.F64, expected.length);
      setting.gradients.accumulatePublic(new OrderedSum(sum, setting.gradients.parts()), 0);
      double scale = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
      assertArrayEquals(expected, values(sum), 1e-12 * scale);
    }
  }

  /** The rule of closeness, in the root mean square over all parameters and examples. */
  @ParameterizedTest
  @MethodSource("cases")
  void everyCpuTierIsNoWorseThanTwiceTheNaiveLoops(DecoderConfig config, TuningMethod method) {
    double[] exact = all(new ReferenceKernels(), config, method);
    double norm = distance(exact, new double[exact.length]);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      double naive = distance(all(NaiveKernels.of(type), config, method), exact);
      for (CpuTier tier : CpuTier.values()) {
        if (CpuLibrary.get().supports(tier)) {
          double error = distance(all(new CpuKernels(tier, type), config, method), exact);
          assertTrue(
              error <= 2 * naive + Math.ulp(1f) * norm,
              tier + " in " + type + ": naive loops " + naive / norm + ", cpu " + error / norm);
        }
      }
    }
  }

  /** The gradients of all examples, one behind the other. */
  private double[] all(Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      setting.compute(setting.examples);
      return Stream.iterate(0, e -> e + 1)
          .limit(setting.examples.size())
          .flatMapToDouble(e -> Arrays.stream(setting.gradient(e)))
          .toArray();
    }
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return Math.sqrt(sum);
  }
}
