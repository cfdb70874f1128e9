package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
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
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Embedding;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Linear;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Every way to clip, in every way of tuning: what enters, and the bound that it is held to. */
class ClippingTest {
  private static final int BITS = 24;
  private static final double MARGIN = 1e-6;

  /** Above the norm of every gradient here, and below all but the smallest. */
  private static final double LARGE = 256;

  private static final double SMALL = 0.5;

  private static final List<Clipping> RULES =
      List.of(new Clipping.Flat(), new Clipping.PerLayer(), new Clipping.Automatic(0.01));

  /** The most rows of an example, those of a prompt included. */
  private static final int ROWS = 140;

  @TempDir Path temporary;

  static Stream<Arguments> onEveryTier() {
    return cases(WeightGradientsTest.providers());
  }

  /** For what a rule makes of a norm, which is the same arithmetic on every tier. */
  static Stream<Arguments> onTheBestTier() {
    return cases(
        Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32), new CpuKernels(DType.BF16)));
  }

  private static Stream<Arguments> cases(Stream<Kernels> providers) {
    return providers.flatMap(kernels ->
        Stream.of(
                Named.of("llama", TinyModels.llama()),
                Named.of("untied", TinyModels.untied()),
                Named.of("gpt2", TinyModels.gpt2()))
            .flatMap(config ->
                methods(config.getPayload()).stream()
                    // What an untied output layer changes is a part of all weights.
                    .filter(method ->
                        !config.getName().equals("untied") || method instanceof TuningMethod.Full)
                    .map(method ->
                        Arguments.of(Named.of(kernels.name(), kernels), config, method))));
  }

  /**
   * Of a model's own weights: all, with norms of both kinds; vectors alone; matrices alone; and all
   * but a block's, with estimated norms.
   */
  private static List<TuningMethod> methods(DecoderConfig config) {
    boolean gpt2 = config.family().equals("gpt2");
    return List.of(
        TuningMethod.Lora.of(3),
        new TuningMethod.Prompt(5),
        new TuningMethod.Bias(Set.of()),
        new TuningMethod.Full(),
        new TuningMethod.Full(Norms.SKETCHED),
        new TuningMethod.Full(patterns(gpt2 ? "*.bias,*ln_*" : "*norm*"), Norms.SKETCHED),
        new TuningMethod.Full(patterns(gpt2 ? "!*.bias,!*ln_*" : "!*norm*")),
        new TuningMethod.Full(patterns(gpt2 ? "!h.0.*" : "!model.layers.0.*"), Norms.SKETCHED));
  }

  private static TensorPatterns patterns(String patterns) {
    return new TensorPatterns(List.of(patterns.split(",")));
  }

  private static boolean sketched(TuningMethod method) {
    return method instanceof TuningMethod.Full full && full.norms() == Norms.SKETCHED;
  }

  /**
   * A model that is tuned in some way, and examples of many lengths: where norms are estimated, of
   * 65, 131 and 90 rows, which are, and of short ones, which are not.
   */
  private final class Setting implements AutoCloseable {
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final Trainable tuned;
    final List<Example> examples = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config, TuningMethod method) {
      try (ModelFolder folder =
          TinyModels.write(config, temporary.resolve("model-" + System.nanoTime()))) {
        decoder = new Decoder(folder, kernels, true, config.contextLength());
        tuned = method.parameters(decoder, arena);
        SplittableRandom random = new SplittableRandom(11);
        tuned.initialize(folder, random);
        for (long i = 0; !(tuned instanceof AllWeights) && i < tuned.size(); i++) {
          tuned.parameters().set(i, 0.2 * random.nextGaussian());
        }
        tuned.pack();
        int[] lengths =
            sketched(method) ? new int[] {2, 66, 33, 132, 91, 1} : new int[] {2, 5, 18, 33, 1};
        for (int length : lengths) {
          int[] tokens = random.ints(length, 0, config.vocabularySize()).toArray();
          examples.add(new Example(tokens, Math.min(length, random.nextInt(3))));
        }
      }
    }

    /** What the examples add, by some workers in groups of a size. */
    ClippedSum sum(
        Clipping rule, double clipNorm, List<Example> batch, int workers, int groupExamples) {
      int rows = ROWS * groupExamples;
      try (Workers threads = new Workers(workers, "test");
          TensorArena buffers = new TensorArena()) {
        List<ExampleGradients> gradients = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
          gradients.add(ExampleGradients.of(decoder, tuned, rows, groupExamples, buffers));
        }
        ClippedSum sum = ClippedSum.of(decoder, tuned, rule, clipNorm, BITS, arena);
        try (BatchGradient gradient = BatchGradient.clipped(threads, gradients, sum)) {
          gradient.accumulate(batch);
        }
        return sum;
      }
    }

    ClippedSum alone(Clipping rule, double clipNorm, Example example) {
      return sum(rule, clipNorm, List.of(example), 1, 1);
    }

    /** An example's gradient, as good as the grid of a clip norm that nothing reaches. */
    double[] gradient(Example example) {
      ClippedSum sum = alone(new Clipping.Flat(), LARGE, example);
      assertEquals(1, sum.balance(), "within the large norm");
      return Arrays.stream(integers(sum))
          .mapToDouble(z -> z * sum.gridStep() / (1 - MARGIN))
          .toArray();
    }

    /** Whether the norm that an example is clipped by is an estimate. */
    boolean estimates(Example example) {
      return tuned instanceof AllWeights weights
          && weights.norms() == Norms.SKETCHED
          && example.tokens().length - 1 > NormSketch.EXACT_ROWS;
    }

    /** The group of each parameter where layers are clipped by themselves, told by its place. */
    int[] layers() {
      int[] layer = new int[Math.toIntExact(tuned.size())];
      int blocks = decoder.config().layers();
      switch (tuned) {
        case Adapter adapter ->
            adapter
                .sites()
                .forEach(site ->
                    fill(
                        layer,
                        site.offset(),
                        adapter.rank() * (site.in() + site.out()),
                        site.layer()));
        case BiasVectors biases ->
            biases.sites().forEach(site -> fill(layer, site.offset(), site.out(), site.layer()));
        case SoftPrompt _ -> {}
        case AllWeights weights -> {
          WeightLayout layout = weights.layout();
          for (WeightLayout.Matrix matrix : layout.matrices()) {
            boolean outside = !matrix.role().perLayer();
            fill(
                layer,
                matrix.offset(),
                matrix.rows() * matrix.cols(),
                outside ? blocks : matrix.layer());
          }
          fill(layer, layout.vectorsOffset(), layout.vectorsSize(), blocks + 1);
        }
      }
      // Where all of a block is frozen it has no group.
      int[] present = Arrays.stream(layer).distinct().sorted().toArray();
      return Arrays.stream(layer).map(place -> Arrays.binarySearch(present, place)).toArray();
    }

    @Override
    public void close() {
      decoder.close();
      arena.close();
    }
  }

  private static void fill(int[] layer, long offset, long size, int value) {
    Arrays.fill(layer, Math.toIntExact(offset), Math.toIntExact(offset + size), value);
  }

  private static long[] integers(ClippedSum sum) {
    return IntStream.range(0, Math.toIntExact(sum.sums().size()))
        .mapToLong(i -> sum.sums().getLong(i))
        .toArray();
  }

  private static double[] norms(double[] gradient, int[] group, int groups) {
    double[] squares = new double[groups];
    for (int i = 0; i < gradient.length; i++) {
      squares[group[i]] += gradient[i] * gradient[i];
    }
    return Arrays.stream(squares).map(Math::sqrt).toArray();
  }

  private static int groups(int[] group) {
    return 1 + Arrays.stream(group).max().orElseThrow();
  }

  /** Each group within floor(2^k / sqrt G), all together within 2^k, in unbounded integers. */
  private static void requireBound(long[] z, int[] group, String what) {
    BigInteger[] squares = new BigInteger[groups(group)];
    Arrays.fill(squares, BigInteger.ZERO);
    for (int i = 0; i < z.length; i++) {
      squares[group[i]] = squares[group[i]].add(BigInteger.valueOf(z[i]).pow(2));
    }
    BigInteger most = BigInteger.ONE.shiftLeft(2 * BITS);
    BigInteger each = most.divide(BigInteger.valueOf(squares.length)).sqrt().pow(2);
    for (BigInteger square : squares) {
      assertTrue(square.compareTo(each) <= 0, what + ": " + square + " of a group of " + each);
    }
    BigInteger whole = Arrays.stream(squares).reduce(BigInteger.ZERO, BigInteger::add);
    assertTrue(whole.compareTo(most) <= 0, what + ": " + whole);
  }

  /** The rules in float64, from the gradient held whole. */
  private static double[] oracle(Clipping rule, double clipNorm, double[] gradient, int[] layers) {
    int[] group = rule instanceof Clipping.PerLayer ? layers : new int[gradient.length];
    double[] norms = norms(gradient, group, groups(group));
    double[] clipped = new double[gradient.length];
    for (int i = 0; i < clipped.length; i++) {
      double norm = norms[group[i]];
      double share =
          switch (rule) {
            case Clipping.Flat _ -> norm > clipNorm ? clipNorm / norm : 1;
            case Clipping.PerLayer _ -> {
              double own = clipNorm / Math.sqrt(norms.length);
              yield norm > own ? own / norm : 1;
            }
            case Clipping.Automatic automatic -> clipNorm / (norm + automatic.gamma());
          };
      clipped[i] = share * gradient[i];
    }
    return clipped;
  }

  @ParameterizedTest
  @MethodSource("onTheBestTier")
  void whatEntersIsByTheRule(Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      int[] layers = setting.layers();
      for (Example example : setting.examples) {
        double[] gradient = setting.gradient(example);
        double norm = norms(gradient, new int[gradient.length], 1)[0];
        for (Clipping rule : RULES) {
          for (double clipNorm : new double[] {SMALL, 4}) {
            ClippedSum sum = setting.alone(rule, clipNorm, example);
            double[] expected = oracle(rule, clipNorm, gradient, layers);
            long[] z = integers(sum);
            // The oracle's gradient has the large grid's steps, scaled as the gradient is.
            double share = rule instanceof Clipping.Automatic ? clipNorm / (norm + 0.01) : 1;
            double tolerance = 2 * Math.max(1, share) * LARGE / (1 << BITS) + 2e-5 * clipNorm;
            int[] group = rule instanceof Clipping.PerLayer ? layers : new int[z.length];
            requireBound(z, group, rule + " at C " + clipNorm);
            if (setting.estimates(example)) {
              requireShares(expected, z, sum.gridStep(), group, tolerance);
              continue;
            }
            for (int i = 0; i < z.length; i++) {
              assertEquals(
                  expected[i],
                  z[i] * sum.gridStep(),
                  tolerance,
                  rule + " at C " + clipNorm + ", parameter " + i);
            }
            assertEquals(0, sum.repaired(), "an exact norm needs no repair");
            assertEquals(0, sum.dropped());
            assertEquals(norm <= clipNorm ? 1 : -1, sum.balance());
          }
        }
      }
    }
  }

  /** Each group is the oracle's but for a factor: by an estimate, not far off and never dropped. */
  private static void requireShares(
      double[] expected, long[] z, double gridStep, int[] group, double tolerance) {
    // By the greatest number of a group, which the grids round the least.
    int[] greatest = new int[groups(group)];
    for (int i = z.length - 1; i >= 0; i--) {
      int before = greatest[group[i]];
      if (group[before] != group[i] || Math.abs(expected[i]) > Math.abs(expected[before])) {
        greatest[group[i]] = i;
      }
    }
    for (int i = 0; i < z.length; i++) {
      int by = greatest[group[i]];
      double share = z[by] * gridStep / expected[by];
      assertTrue(share > 0.6 && share < 1.1, "group " + group[i] + ": " + share);
      assertEquals(share * expected[i], z[i] * gridStep, tolerance, "parameter " + i);
    }
  }

  /** Kernels whose float norms are wrong by a factor, and nothing else. */
  private static Kernels wrong(Kernels kernels, double factor) {
    Clip clip = wrongNorms(Clip.class, kernels.clip(), factor);
    Linear linear = wrongNorms(Linear.class, kernels.linear(), factor);
    Embedding embedding = wrongNorms(Embedding.class, kernels.embedding(), factor);
    return proxy(
        Kernels.class,
        kernels,
        (name, result) ->
            switch (name) {
              case "clip" -> clip;
              case "linear" -> linear;
              case "embedding" -> embedding;
              default -> result;
            });
  }

  private static <T> T wrongNorms(Class<T> type, T kernel, double factor) {
    return proxy(
        type,
        kernel,
        (name, result) ->
            name.equals("exampleNorm") ? (Object) (factor * (double) result) : result);
  }

  private interface Change {
    Object of(String name, Object result);
  }

  private static <T> T proxy(Class<T> type, T target, Change change) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              try {
                return change.of(method.getName(), method.invoke(target, arguments));
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  /** Whatever the float norms were said to be, the integers stay within the bound. */
  @ParameterizedTest
  @MethodSource("onTheBestTier")
  void aWrongNormIsRepairedNotBelieved(Kernels kernels, DecoderConfig config, TuningMethod method) {
    for (double factor : new double[] {0, 1e-12, 0.2, 0.6, 1.7, 1e9}) {
      try (Setting setting = new Setting(wrong(kernels, factor), config, method)) {
        int[] layers = setting.layers();
        for (Clipping rule : RULES) {
          int[] group = rule instanceof Clipping.PerLayer ? layers : new int[layers.length];
          for (Example example : setting.examples.subList(1, 4)) {
            ClippedSum sum = setting.alone(rule, 1e-3, example);
            String what = rule + " with " + factor + " of the norm";
            requireBound(integers(sum), group, what);
            boolean repaired = sum.repaired() + sum.dropped() > 0;
            assertEquals(factor < 1, repaired, what);
          }
        }
      }
    }
  }

  /** To the bit, and the balance and the repairs too. */
  @ParameterizedTest
  @MethodSource("onEveryTier")
  void neitherMatesNorWorkersNorGroupsChangeWhatAnExampleAdds(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      for (Clipping rule : RULES) {
        long[] expected = new long[Math.toIntExact(setting.tuned.size())];
        long balance = 0;
        long repaired = 0;
        for (Example example : setting.examples) {
          ClippedSum one = setting.alone(rule, SMALL, example);
          long[] z = integers(one);
          Arrays.setAll(expected, i -> expected[i] + z[i]);
          balance += one.balance();
          repaired += one.repaired();
        }
        assertTrue(Arrays.stream(expected).anyMatch(z -> z != 0), "of something");
        for (int[] shape : new int[][] {{1, 1}, {1, 5}, {2, 2}, {3, 1}}) {
          List<Example> rotated = new ArrayList<>(setting.examples);
          Collections.rotate(rotated, shape[1]);
          ClippedSum sum = setting.sum(rule, SMALL, rotated, shape[0], shape[1]);
          assertArrayEquals(expected, integers(sum), rule + " by " + Arrays.toString(shape));
          assertEquals(balance, sum.balance());
          assertEquals(repaired, sum.repaired());
          assertEquals(0, sum.dropped());
        }
      }
    }
  }

  /** Not one step more: the bound of the whole is that of one group. */
  @Test
  void groupsTogetherHaveTheBoundOfTheWhole() {
    for (int bits = 1; bits <= 24; bits++) {
      BigInteger most = BigInteger.ONE.shiftLeft(2 * bits);
      for (int groups = 1; groups <= Math.min(3000, 1L << 2 * bits); groups++) {
        BigInteger bound = BigInteger.valueOf(Clip.groupBound(bits, groups));
        BigInteger count = BigInteger.valueOf(groups);
        String what = groups + " groups on " + bits + " bits";
        assertTrue(bound.pow(2).multiply(count).compareTo(most) <= 0, what);
        BigInteger more = bound.add(BigInteger.ONE);
        assertTrue(more.pow(2).multiply(count).compareTo(most) > 0, what + " leave room");
      }
      assertEquals(1 << bits, Clip.groupBound(bits, 1), "all of one group");
    }
    assertThrows(IllegalArgumentException.class, () -> Clip.groupBound(1, 5));
    assertThrows(IllegalArgumentException.class, () -> Clip.groupBound(24, 0));
  }

  static Stream<Kernels> kernels() {
    return Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32));
  }

  /**
   * A group that is not finite, or whose norm is too large to be known, adds nothing; others do.
   */
  @ParameterizedTest
  @MethodSource("kernels")
  void aGroupWhoseNormCannotBeKnownAddsNothing(Kernels kernels) {
    List<ClipGroups.Stretch> groups =
        List.of(
            new ClipGroups.Stretch(0, 2),
            new ClipGroups.Stretch(2, 15_000),
            new ClipGroups.Stretch(15_002, 1));
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, 1e30}) {
      // Finite and so large: a norm that is believed to be small lets in what cannot be summed.
      Kernels used = bad == 1e30 ? wrong(kernels, 0) : kernels;
      try (TensorArena arena = new TensorArena()) {
        VectorSum sum = new VectorSum(used, new Clipping.PerLayer(), groups, 1, BITS, arena);
        Tensor gradient = arena.allocate(kernels.wide(), 15_003);
        gradient.set(0, 0.25);
        gradient.set(15_002, -0.5);
        for (int i = 2; i < 15_002; i++) {
          gradient.set(i, i == 3 || bad == 1e30 ? bad : 0);
        }
        sum.add(gradient);
        assertEquals(1, sum.dropped());
        assertEquals(0, sum.repaired());
        assertEquals(0.25, sum.sums().getLong(0) * sum.gridStep(), 1e-6);
        assertEquals(-0.5, sum.sums().getLong(15_002) * sum.gridStep(), 1e-6);
        assertTrue(IntStream.range(2, 15_002).allMatch(i -> sum.sums().getLong(i) == 0));
        assertEquals(bad == 1e30 ? 1 : -1, sum.balance(), "by the norm that it was said to have");
      }
    }
  }

  /** The same of all weights: the parts of one group stay out, those of the others enter. */
  @Test
  void aGroupOfWeightsWhoseNormCannotBeKnownAddsNothing() {
    Kernels kernels = new CpuKernels(DType.F32);
    try (Setting setting = new Setting(kernels, TinyModels.llama(), new TuningMethod.Full());
        TensorArena buffers = new TensorArena()) {
      WeightGradients gradients =
          (WeightGradients) ExampleGradients.of(setting.decoder, setting.tuned, 64, 1, buffers);
      WeightLayout layout = ((AllWeights) setting.tuned).layout();
      Example example = setting.examples.get(3);
      gradients.group().add(example.tokens(), example.prefix());
      gradients.compute();
      int[] layers = setting.layers();
      int groups = groups(layers);
      double[] squares =
          Arrays.stream(norms(setting.gradient(example), layers, groups)).map(n -> n * n).toArray();
      // The embedding's part comes first in the layout, and so its group.
      int[] order =
          IntStream.range(0, groups)
              .map(g -> g == 0 ? groups - 2 : g == groups - 1 ? g : g - 1)
              .toArray();
      double[] ordered = Arrays.stream(order).mapToDouble(g -> squares[g]).toArray();
      long[] whole = enter(layout, gradients, ordered, SMALL, buffers, 0);
      for (int bad = 0; bad < groups; bad++) {
        double[] broken = ordered.clone();
        broken[bad] = Double.NaN;
        long[] z = enter(layout, gradients, broken, SMALL, buffers, 1);
        for (int i = 0; i < z.length; i++) {
          assertEquals(layers[i] == order[bad] ? 0 : whole[i], z[i], "parameter " + i);
        }
      }
    }
  }

  private static long[] enter(
      WeightLayout layout,
      WeightGradients gradients,
      double[] norms,
      double clipNorm,
      TensorArena arena,
      long dropped) {
    ProductSum sum = new ProductSum(layout, new Clipping.PerLayer(), clipNorm, BITS, arena);
    sum.add(gradients.products(), norms, new ClippedExamples(1, DType.F32, arena));
    assertEquals(dropped, sum.dropped());
    return integers(sum);
  }

  /** What no group takes would not be clipped. */
  @Test
  void gradientsAndNormsOfOtherGroupsAreRefused() {
    Kernels kernels = new ReferenceKernels();
    ClipGroups.Stretch first = new ClipGroups.Stretch(0, 3);
    try (TensorArena arena = new TensorArena();
        Setting setting = new Setting(kernels, TinyModels.llama(), new TuningMethod.Full())) {
      for (long apart : new long[] {2, 4}) {
        List<ClipGroups.Stretch> groups = List.of(first, new ClipGroups.Stretch(apart, 2));
        assertThrows(
            IllegalArgumentException.class,
            () -> new VectorSum(kernels, new Clipping.PerLayer(), groups, 1, BITS, arena));
      }
      VectorSum sum =
          new VectorSum(kernels, new Clipping.PerLayer(), List.of(first), 1, BITS, arena);
      for (long size : new long[] {2, 4}) {
        Tensor gradient = arena.allocate(kernels.wide(), size);
        assertThrows(IllegalArgumentException.class, () -> sum.add(gradient));
      }
      WeightGradients gradients =
          (WeightGradients) ExampleGradients.of(setting.decoder, setting.tuned, 64, 1, arena);
      gradients.group().add(setting.examples.get(2).tokens(), 0);
      gradients.compute();
      WeightLayout layout = ((AllWeights) setting.tuned).layout();
      assertThrows(
          IllegalArgumentException.class,
          () -> enter(layout, gradients, new double[] {1}, SMALL, arena, 0));
    }
  }

  /** A worker's sum that lags a step behind would have other grid steps. */
  @Test
  void anotherClipNormIsThatOfAllWorkersAndOfAFreshSum() {
    Kernels kernels = new CpuKernels(DType.F32);
    for (TuningMethod method : methods(TinyModels.llama())) {
      try (Setting setting = new Setting(kernels, TinyModels.llama(), method);
          TensorArena buffers = new TensorArena();
          Workers threads = new Workers(2, "test")) {
        List<ExampleGradients> gradients = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
          gradients.add(ExampleGradients.of(setting.decoder, setting.tuned, ROWS, 1, buffers));
        }
        ClippedSum sum = ClippedSum.of(setting.decoder, setting.tuned, 4, BITS, buffers);
        try (BatchGradient gradient = BatchGradient.clipped(threads, gradients, sum)) {
          for (double clipNorm : new double[] {4, 0.125, 3}) {
            sum.clipTo(clipNorm);
            gradient.accumulate(setting.examples);
            ClippedSum fresh = setting.sum(new Clipping.Flat(), clipNorm, setting.examples, 1, 1);
            assertArrayEquals(integers(fresh), integers(sum), method + " at " + clipNorm);
            assertEquals(fresh.balance(), sum.balance());
            assertEquals(fresh.gridStep(), sum.gridStep());
            assertEquals(1 << BITS, sum.sensitivity(), "whatever C is");
          }
          for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThrows(IllegalArgumentException.class, () -> sum.clipTo(bad));
          }
        }
      }
    }
  }
}
