package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.FiniteDifferences;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.EncoderClassifier;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.model.WordCnn;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.NaiveKernels;
import palimpsest.testing.TinyModels;

/** Per-example gradients of classifiers, and what enters a clipped sum of them. */
class LabelGradientsTest {
  private static final int LABELS = 3;
  private static final double CLIP = 0.5;
  private static final int BITS = 20;

  /** The models; the wide one has sums that the CPU kernels cut into pieces. */
  enum Model {
    ENCODER,
    WIDE_ENCODER,
    WORD_CNN;

    LabelModel make(Kernels kernels, Path folder) {
      return switch (this) {
        case ENCODER -> encoder(TinyModels.bert(), kernels, folder.resolve("bert"));
        case WIDE_ENCODER -> encoder(TinyModels.wideBert(), kernels, folder.resolve("wide"));
        case WORD_CNN -> WordCnn.of(kernels, new WordCnn.Shape(31, 7, 5, LABELS), 1024);
      };
    }

    private static LabelModel encoder(EncoderConfig config, Kernels kernels, Path path) {
      try (EncoderFolder folder =
          Files.exists(path) ? EncoderFolder.open(path) : TinyModels.write(config, path)) {
        return EncoderClassifier.of(folder, kernels, config.contextLength(), 2, 4, LABELS);
      }
    }

    /** Of many lengths. */
    int[] lengths() {
      return this == WIDE_ENCODER
          ? new int[] {300, 3, 18, 530}
          : new int[] {2, 3, 18, 33, 65, 130, 1, 5};
    }
  }

  @TempDir Path temporary;

  static Stream<Arguments> everyProvider() {
    Stream<Kernels> cpu =
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .flatMap(
                tier -> Stream.of(DType.F32, DType.BF16).map(type -> new CpuKernels(tier, type)));
    return Stream.concat(Stream.of(new ReferenceKernels()), cpu)
        .flatMap(kernels ->
            Stream.of(Model.values())
                // The reference cuts no sum, and takes long for the wide model.
                .filter(model -> model != Model.WIDE_ENCODER || kernels instanceof CpuKernels)
                .map(model -> Arguments.of(Named.of(kernels.name(), kernels), model)));
  }

  /** A model with parameters somewhere, and examples of many lengths. */
  private final class Setting implements AutoCloseable {
    final Kernels kernels;
    final TensorArena arena = new TensorArena();
    final LabelModel model;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, Model kind, int... lengths) {
      this.kernels = kernels;
      model = kind.make(kernels, temporary);
      SplittableRandom random = new SplittableRandom(19);
      for (long i = 0; i < model.size(); i++) {
        model.parameters().set(i, 0.2 * random.nextGaussian());
      }
      model.pack();
      for (int length : lengths) {
        int[] text = random.ints(length, 0, model.vocabularySize()).toArray();
        examples.add(Example.labelled(text, random.nextInt(LABELS)));
      }
    }

    LabelGradients gradients(int rows, int examples, TensorArena holder) {
      return (LabelGradients) ExampleGradients.of(model, rows, examples, holder);
    }

    int rows() {
      return examples.stream().mapToInt(example -> example.tokens().length - 1).sum();
    }

    /** Gradients of a group; all buffers are NaN before the pass. */
    LabelGradients compute(List<Example> group, int rows, TensorArena holder) {
      LabelGradients gradients = gradients(rows, group.size(), holder);
      gradients.poison();
      group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
      gradients.compute();
      return gradients;
    }

    /** The integers of every example of a group, in its order. */
    List<long[]> integers(List<Example> group, int rows) {
      try (TensorArena scratch = new TensorArena()) {
        LabelGradients gradients = compute(group, rows, scratch);
        List<long[]> all = new ArrayList<>();
        for (int e = 0; e < group.size(); e++) {
          VectorSum sum = new VectorSum(kernels, model.size(), CLIP, BITS, scratch);
          sum.add(gradients.gradient(e));
          assertEquals(0, sum.repaired(), "an exact norm needs no repair");
          assertEquals(0, sum.dropped());
          all.add(integers(sum.sums()));
        }
        return all;
      }
    }

    private static long[] integers(Tensor sums) {
      long[] values = new long[(int) sums.size()];
      Arrays.setAll(values, sums::getLong);
      return values;
    }

    @Override
    public void close() {
      model.close();
      arena.close();
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  /** The third example's, computed beside the others. */
  @ParameterizedTest
  @EnumSource(names = "WIDE_ENCODER", mode = EnumSource.Mode.EXCLUDE)
  void everyGradientIsThatOfTheExamplesLoss(Model kind) {
    try (Setting setting = new Setting(new ReferenceKernels(), kind, 9, 6, 14)) {
      LabelGradients gradients = setting.compute(setting.examples, 64, setting.arena);
      Tensor gradient =
          setting.arena.allocate(DType.F64, setting.model.size()).copyFrom(gradients.gradient(2));
      Example example = setting.examples.get(2);
      FiniteDifferences.check(
          kind.name(),
          () -> {
            gradients.group().clear();
            gradients.group().add(example.tokens(), example.prefix());
            setting.model.pack();
            return gradients.lossOf(gradients.group());
          },
          setting.model.parameters(),
          gradient);
    }
  }

  /**
   * What is updated is the whole of the flat parameters; no number of an example's gradient is left
   * as it was, so all of them enter the norm and the sum.
   */
  @ParameterizedTest
  @MethodSource("everyProvider")
  void everyParameterThatIsUpdatedWentThroughTheSum(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, 9, 6, 14)) {
      long size = setting.model.size();
      long end = 0;
      for (ParameterBlock block : setting.model.blocks()) {
        assertEquals(end, block.offset());
        end += block.size();
      }
      assertEquals(size, end);
      assertEquals(size, setting.model.parameters().size());
      LabelGradients gradients = setting.compute(setting.examples, 64, setting.arena);
      assertEquals(size, gradients.size());
      for (int e = 0; e < 3; e++) {
        double[] gradient = values(gradients.gradient(e));
        assertEquals(size, gradient.length);
        assertTrue(Arrays.stream(gradient).allMatch(Double::isFinite));
        for (ParameterBlock block : setting.model.blocks()) {
          assertTrue(
              Arrays.stream(gradient, (int) block.offset(), (int) (block.offset() + block.size()))
                  .anyMatch(g -> g != 0),
              block.toString());
        }
      }
      ClippedSum sum = ClippedSum.of(setting.model, new Clipping.Flat(), CLIP, BITS, setting.arena);
      gradients.accumulate(sum);
      assertEquals(size, sum.sums().size());
      assertEquals(0, sum.dropped());
      assertEquals(0, sum.repaired());
    }
  }

  /** An example without a label, or without a text, adds exactly nothing of the text. */
  @ParameterizedTest
  @MethodSource("everyProvider")
  void anExampleWithoutALabelContributesExactlyZero(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, 9)) {
      LabelGradients gradients =
          setting.compute(
              List.of(
                  setting.examples.getFirst(),
                  new Example(new int[0], 0),
                  new Example(new int[] {5, 6, 7}, 3)),
              64,
              setting.arena);
      for (int e : new int[] {1, 2}) {
        double[] gradient = values(gradients.gradient(e));
        assertArrayEquals(new double[gradient.length], gradient, 0.0);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = "WIDE_ENCODER", mode = EnumSource.Mode.EXCLUDE)
  void thePublicSumIsThatOfTheExamples(Model kind) {
    try (Setting setting = new Setting(new ReferenceKernels(), kind, 9, 6, 14)) {
      LabelGradients apart = setting.compute(setting.examples, 64, setting.arena);
      double[] expected = new double[(int) setting.model.size()];
      for (int e = 0; e < 3; e++) {
        double[] gradient = values(apart.gradient(e));
        Arrays.setAll(expected, i -> expected[i] + gradient[i]);
      }
      PublicGradients together =
          (PublicGradients) ExampleGradients.inPublic(setting.model, 64, 3, setting.arena);
      setting.examples.forEach(example -> together.group().add(example.tokens(), example.prefix()));
      Tensor sum = setting.arena.allocate(DType.F64, expected.length);
      double loss = together.accumulatePublic(new OrderedSum(sum, together.parts()), 0);
      assertEquals(apart.loss(), loss, 1e-12 * loss);
      double scale = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
      assertArrayEquals(expected, values(sum), 1e-12 * scale);
      ClippedSum clipped =
          ClippedSum.of(setting.model, new Clipping.Flat(), CLIP, BITS, setting.arena);
      assertThrows(IllegalStateException.class, () -> together.accumulate(clipped));
      assertThrows(
          IllegalArgumentException.class,
          () -> ClippedSum.of(setting.model, new Clipping.PerLayer(), CLIP, BITS, setting.arena));
    }
  }

  /** The rule of closeness, in the root mean square over all parameters and examples. */
  @ParameterizedTest
  @EnumSource(names = "WIDE_ENCODER", mode = EnumSource.Mode.EXCLUDE)
  void everyCpuTierIsNoWorseThanTwiceTheNaiveLoops(Model kind) {
    double[] exact = all(new ReferenceKernels(), kind);
    double norm = distance(exact, new double[exact.length]);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      double naive = distance(all(NaiveKernels.of(type), kind), exact);
      for (CpuTier tier : CpuTier.values()) {
        if (CpuLibrary.get().supports(tier)) {
          double error = distance(all(new CpuKernels(tier, type), kind), exact);
          assertTrue(
              error <= 2 * naive + Math.ulp(1f) * norm,
              tier + " in " + type + ": naive loops " + naive / norm + ", cpu " + error / norm);
        }
      }
    }
  }

  /** The gradients of all examples, one behind the other. */
  private double[] all(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, 9, 6, 14)) {
      LabelGradients gradients = setting.compute(setting.examples, 64, setting.arena);
      return IntStream.range(0, 3)
          .mapToObj(e -> values(gradients.gradient(e)))
          .flatMapToDouble(Arrays::stream)
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

  @ParameterizedTest
  @MethodSource("everyProvider")
  void anExamplesIntegersDoNotDependOnItsMates(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, kind.lengths())) {
      List<Example> examples = setting.examples;
      List<long[]> alone = new ArrayList<>();
      for (Example example : examples) {
        alone.add(setting.integers(List.of(example), example.tokens().length - 1).getFirst());
      }
      assertTrue(
          Arrays.stream(alone.get(2)).anyMatch(z -> z != 0), "the comparison must be of something");
      for (int shift = 0; shift < examples.size(); shift++) {
        List<Example> rotated = new ArrayList<>(examples);
        Collections.rotate(rotated, shift);
        List<long[]> together = setting.integers(rotated, setting.rows() + 51 + shift);
        for (int i = 0; i < examples.size(); i++) {
          int example = Math.floorMod(i - shift, examples.size());
          assertArrayEquals(
              alone.get(example), together.get(i), "example " + example + " at place " + i);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("everyProvider")
  void aMateWithNonFiniteNumbersChangesNothing(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, 18, 33)) {
      Example broken = setting.examples.getFirst();
      Example sound = setting.examples.getLast();
      long[] alone = setting.integers(List.of(sound), 64).getFirst();
      LabelGradients gradients = setting.gradients(64, 2, setting.arena);
      // A weight of infinity makes the first example's loss gradient infinite or NaN throughout.
      double[] weights = new double[broken.tokens().length];
      weights[weights.length - 1] = Double.POSITIVE_INFINITY;
      gradients.group().add(broken.tokens(), weights);
      gradients.group().add(sound.tokens(), sound.prefix());
      VectorSum sum = new VectorSum(kernels, setting.model.size(), CLIP, BITS, setting.arena);
      gradients.accumulate(sum);
      assertEquals(1, sum.dropped(), "the broken example contributes nothing");
      assertArrayEquals(alone, Setting.integers(sum.sums()));
    }
  }

  @ParameterizedTest
  @MethodSource("everyProvider")
  void workersAndMicroBatchesDoNotChangeTheSum(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, kind.lengths())) {
      List<Example> batch = new ArrayList<>(setting.examples);
      batch.addAll(setting.examples);
      int longest = Arrays.stream(kind.lengths()).max().orElseThrow();
      long[] expected = sum(setting, batch, 1, longest, 1);
      assertArrayEquals(expected, sum(setting, batch, 1, longest + 71, 7));
      assertArrayEquals(expected, sum(setting, batch, 2, 2 * setting.rows(), 64));
      assertArrayEquals(expected, sum(setting, batch, 2, longest, 3));
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
      ClippedSum total = ClippedSum.of(setting.model, new Clipping.Flat(), CLIP, BITS, arena);
      try (BatchGradient gradient = BatchGradient.clipped(threads, buffers, total)) {
        gradient.rehearse(Math.min(rows, setting.model.maxPositions()));
        gradient.accumulate(batch);
      }
      return Setting.integers(total.sums());
    }
  }

  /** An example fills the bound, and no example passes it, whatever its gradient. */
  @ParameterizedTest
  @MethodSource("everyProvider")
  void whatAnExampleAddsHasTheClipNormAtMost(Kernels kernels, Model kind) {
    try (Setting setting = new Setting(kernels, kind, 9, 6, 14)) {
      for (double clip : new double[] {1e-3, 0.1, 1e6}) {
        LabelGradients gradients = setting.compute(setting.examples, 64, setting.arena);
        for (int e = 0; e < 3; e++) {
          double norm = distance(values(gradients.gradient(e)), new double[(int) gradients.size()]);
          VectorSum sum = new VectorSum(kernels, setting.model.size(), clip, BITS, setting.arena);
          sum.add(gradients.gradient(e));
          double added = 0;
          for (long z : Setting.integers(sum.sums())) {
            added += (double) z * z;
          }
          double bound = Math.scalb(1.0, BITS);
          assertTrue(Math.sqrt(added) <= bound, "within the bound");
          double expected = bound * Math.min(1, norm / clip);
          // Truncation takes less than a step of each number.
          double lost = Math.sqrt(gradients.size());
          assertEquals(expected, Math.sqrt(added), lost + 1e-5 * bound, "and up to it");
        }
      }
    }
  }
}
