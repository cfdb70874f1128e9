package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Clipped sums of all weights' gradients whose norms are estimated. */
class NormSketchTest {
  private static final int BITS = 20;

  /** Every example is over it, whatever its estimate. */
  private static final double CLIP = 1e-3;

  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return WeightGradientsTest.cases();
  }

  private final class Setting implements AutoCloseable {
    final Kernels kernels;
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final WeightLayout layout;

    /** Of which the third and the last are short. */
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config) {
      this.kernels = kernels;
      layout = new WeightLayout(config);
      try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"))) {
        decoder = new Decoder(folder, kernels, true, config.contextLength());
      }
      SplittableRandom random = new SplittableRandom(5);
      for (int rows : new int[] {65, 90, 64, 131, 7}) {
        int[] tokens = random.ints(rows + 1, 0, config.vocabularySize()).toArray();
        examples.add(new Example(tokens, rows / 4));
      }
    }

    WeightGradients gradients(Norms norms, int rows, int count, TensorArena holder) {
      WeightGradients gradients =
          new WeightGradients(
              decoder,
              new AllWeights(decoder, new TuningMethod.Full(norms), holder),
              rows,
              count,
              holder);
      gradients.poison();
      return gradients;
    }

    WeightGradients filled(Norms norms, List<Example> group, int rows) {
      WeightGradients gradients = gradients(norms, rows, group.size(), arena);
      group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
      return gradients;
    }

    /** Each example's squared norm, alone. */
    double[] norms(Norms norms, long step) {
      return examples.stream()
          .mapToDouble(example -> {
            WeightGradients gradients = filled(norms, List.of(example), 131);
            gradients.startStep(step);
            gradients.compute();
            return gradients.norm(0);
          })
          .toArray();
    }

    ProductSum sum(List<Example> group, int rows, long step) {
      WeightGradients gradients = filled(Norms.SKETCHED, group, rows);
      gradients.startStep(step);
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
   * Whatever is estimated, an example moves the sum by no more than the bound: one whose norm comes
   * out too low is repaired, and only such a one.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void theBoundHoldsWhateverIsEstimated(Kernels kernels, DecoderConfig config) {
    BigInteger bound = BigInteger.TWO.pow(2 * BITS);
    try (Setting setting = new Setting(kernels, config)) {
      double[] exact = setting.norms(Norms.EXACT, 0);
      for (long step = 1; step <= 3; step++) {
        double[] estimated = setting.norms(Norms.SKETCHED, step);
        for (int e = 0; e < exact.length; e++) {
          ProductSum sum = setting.sum(List.of(setting.examples.get(e)), 131, step);
          BigInteger entered = squares(integers(sum));
          assertTrue(entered.compareTo(bound) <= 0, e + " in step " + step);
          assertTrue(entered.signum() > 0, "something of it");
          // Near the bound the grid's rounding decides.
          double ratio = estimated[e] / exact[e];
          if (Math.abs(ratio - 1) > 1e-2) {
            assertEquals(ratio < 1 ? 1 : 0, sum.repaired(), e + ": " + ratio);
          }
        }
      }
    }
  }

  /** Gradients that the vectors of a step do not see at all are repaired, too. */
  @Test
  void anExampleThatNoVectorSeesIsRepaired() {
    try (Setting setting = new Setting(new ReferenceKernels(), TinyModels.llama())) {
      WeightGradients gradients = setting.filled(Norms.EXACT, setting.examples.subList(0, 1), 65);
      gradients.compute();
      ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, setting.arena);
      sum.add(
          gradients.products(),
          new double[] {0},
          new ClippedExamples(1, setting.kernels.wide(), setting.arena));
      assertEquals(1, sum.repaired());
      assertTrue(squares(integers(sum)).compareTo(BigInteger.TWO.pow(2 * BITS)) <= 0);
    }
  }

  /** Alone, first, last and between others, the integers of an example are the same. */
  @ParameterizedTest
  @MethodSource("cases")
  void anExamplesIntegersDoNotDependOnItsMates(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      List<int[]> alone = new ArrayList<>();
      for (Example example : setting.examples) {
        alone.add(integers(setting.sum(List.of(example), example.tokens().length - 1, 4)));
      }
      List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3, 4));
      for (int turn = 0; turn < order.size(); turn++) {
        Collections.rotate(order, 1);
        List<Example> group = order.stream().map(setting.examples::get).toList();
        int[] together = integers(setting.sum(group, 400, 4));
        int[] expected = new int[together.length];
        for (int e : order) {
          Arrays.setAll(expected, i -> expected[i] + alone.get(e)[i]);
        }
        assertArrayEquals(expected, together, order.toString());
      }
    }
  }

  /** All workers draw the same vectors in a step, and others in the next. */
  @ParameterizedTest
  @MethodSource("cases")
  void workersDrawTheSameVectors(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      int[] first = null;
      for (int workers : new int[] {1, 3}) {
        try (TensorArena arena = new TensorArena();
            Workers threads = new Workers(workers, "test")) {
          List<WeightGradients> buffers = new ArrayList<>();
          for (int i = 0; i < workers; i++) {
            buffers.add(setting.gradients(Norms.SKETCHED, 131, 2, arena));
          }
          ProductSum sum = new ProductSum(setting.layout, CLIP, BITS, arena);
          try (BatchGradient gradient = BatchGradient.clipped(threads, buffers, sum)) {
            gradient.accumulate(setting.examples, 6);
            int[] z = integers(sum);
            first = first == null ? z : first;
            assertArrayEquals(first, z, workers + " workers");
            gradient.accumulate(setting.examples, 7);
            assertFalse(Arrays.equals(first, integers(sum)), "another step, other vectors");
            gradient.accumulate(setting.examples, 6);
            assertArrayEquals(first, integers(sum), "the same step again");
          }
        }
      }
    }
  }

  /** By its own length, not by that of the longest beside it. */
  @ParameterizedTest
  @MethodSource("cases")
  void aShortExampleHasItsExactNorm(Kernels kernels, DecoderConfig config) {
    try (Setting setting = new Setting(kernels, config)) {
      double[] exact = setting.norms(Norms.EXACT, 0);
      WeightGradients gradients = setting.filled(Norms.SKETCHED, setting.examples, 400);
      gradients.startStep(9);
      gradients.compute();
      for (int e = 0; e < exact.length; e++) {
        boolean isShort = setting.examples.get(e).tokens().length - 1 <= NormSketch.EXACT_ROWS;
        assertEquals(isShort, exact[e] == gradients.norm(e), "example " + e);
      }
    }
  }

  /**
   * The mean over steps is the squared norm, raised by the margin, within five standard errors; a
   * tied table's with what its two uses have in common.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void anEstimateIsUnbiasedButForItsMargin(Kernels kernels, DecoderConfig config) {
    int steps = 60;
    double margin = Math.pow(1 + NormSketch.MARGIN, 2);
    try (Setting setting = new Setting(kernels, config)) {
      List<Example> group = setting.examples.subList(0, 2);
      WeightGradients exact = setting.filled(Norms.EXACT, group, 200);
      exact.compute();
      WeightGradients sketched = setting.filled(Norms.SKETCHED, group, 200);
      double[] sum = new double[2];
      double[] squares = new double[2];
      for (int step = 1; step <= steps; step++) {
        sketched.startStep(step);
        sketched.compute();
        for (int e = 0; e < 2; e++) {
          double ratio = sketched.norm(e) / exact.norm(e) / margin;
          sum[e] += ratio;
          squares[e] += ratio * ratio;
        }
      }
      for (int e = 0; e < 2; e++) {
        double mean = sum[e] / steps;
        double deviation = Math.sqrt(squares[e] / steps - mean * mean);
        assertTrue(deviation > 0 && deviation < 0.5, "spread " + deviation);
        assertEquals(1, mean, 5 * deviation / Math.sqrt(steps), "spread " + deviation);
      }
    }
  }

  /** Signs of one vector and of two are as even as chance, within and between matrices. */
  @Test
  void signsAreIndependent() {
    int elements = 1 << 14;
    for (long step : new long[] {0, 1, 2, 1_000_000}) {
      for (int matrix = 0; matrix < 3; matrix++) {
        for (int vector = 0; vector < NormSketch.VECTORS; vector++) {
          int one = 0;
          int two = 0;
          int other = 0;
          int next = 0;
          for (int i = 0; i < elements; i++) {
            long word = NormSketch.word(step, matrix, i);
            long bit = word >>> vector & 1;
            one += bit == 1 ? 1 : -1;
            two += bit == (word >>> (vector + 1) % NormSketch.VECTORS & 1) ? 1 : -1;
            other += bit == (NormSketch.word(step, matrix + 1, i) >>> vector & 1) ? 1 : -1;
            next += bit == (NormSketch.word(step + 1, matrix, i) >>> vector & 1) ? 1 : -1;
          }
          for (int sum : new int[] {one, two, other, next}) {
            assertTrue(Math.abs(sum) < 5 * Math.sqrt(elements), step + " " + matrix + ": " + sum);
          }
        }
      }
    }
  }

  /** The vectors of a run are those that are written here, in every process and version. */
  @Test
  void theStreamIsKnown() {
    assertEquals(
        0xe220a8397b1dcdafL, NormSketch.word(0, 0, 0), "SplitMix64's first word of seed 0");
    assertEquals(0x6e789e6aa1b965f4L, NormSketch.word(0, 0, 1));
  }

  /** An embedding that no output layer shares has its exact norm, whatever else is trained. */
  @Test
  void whatIsNotSketchedHasNoVectors() {
    Kernels kernels = new ReferenceKernels();
    for (boolean tied : new boolean[] {true, false}) {
      for (String pattern : List.of("*norm*", "model.embed_tokens.*")) {
        try (TensorArena arena = new TensorArena()) {
          WeightLayout layout =
              new WeightLayout(
                  tied ? TinyModels.llama() : TinyModels.untied(),
                  new TensorPatterns(List.of(pattern)));
          new NormSketch(layout, tied, kernels, arena).draw(1);
          boolean none = !tied || pattern.equals("*norm*");
          assertEquals(none, arena.bytes() <= 8L * NormSketch.VECTORS, pattern + arena.bytes());
        }
      }
    }
  }

  @Test
  void vectorsAreDrawnBeforeASketch() {
    Kernels kernels = new ReferenceKernels();
    try (TensorArena arena = new TensorArena()) {
      WeightLayout layout = new WeightLayout(TinyModels.llama());
      NormSketch sketch = new NormSketch(layout, true, kernels, arena);
      WeightLayout.Matrix matrix = layout.matrices().getFirst();
      assertThrows(
          IllegalStateException.class,
          () ->
              sketch.norm(
                  matrix,
                  arena.allocate(kernels.compute(), 1, matrix.rows()),
                  arena.allocate(kernels.compute(), 1, matrix.cols()),
                  0,
                  1,
                  null,
                  0,
                  null));
    }
  }
}
