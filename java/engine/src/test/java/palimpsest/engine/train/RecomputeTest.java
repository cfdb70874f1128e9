package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Activations that are computed again are those that were not kept. */
class RecomputeTest {
  private static final int ROWS = 160;
  private static final int EXAMPLES = 4;

  private static final List<TuningMethod> METHODS =
      List.of(
          TuningMethod.Lora.of(3),
          new TuningMethod.Lora(2, 4, EnumSet.of(Role.DOWN)),
          new TuningMethod.Prompt(5),
          new TuningMethod.Bias(Set.of()));

  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    Stream<Kernels> cpu =
        Stream.of(CpuTier.values())
            .filter(CpuLibrary.get()::supports)
            .flatMap(
                tier -> Stream.of(DType.F32, DType.BF16).map(type -> new CpuKernels(tier, type)));
    return Stream.concat(Stream.of(new ReferenceKernels()), cpu)
        .flatMap(kernels ->
            Stream.of(Named.of("llama", TinyModels.llama()), Named.of("gpt2", TinyModels.gpt2()))
                .flatMap(config ->
                    METHODS.stream()
                        .map(method ->
                            Arguments.of(Named.of(kernels.name(), kernels), config, method))));
  }

  /** A model that is tuned in some way, and groups of examples. */
  private final class Setting implements AutoCloseable {
    final TensorArena arena = new TensorArena();
    final Decoder decoder;
    final Trainable tuned;
    final List<List<Example>> groups = new ArrayList<>();

    Setting(Kernels kernels, DecoderConfig config, TuningMethod method) {
      Path path = temporary.resolve("model");
      try (ModelFolder folder =
          path.toFile().exists() ? ModelFolder.open(path) : TinyModels.write(config, path)) {
        decoder = new Decoder(folder, kernels, true, config.contextLength());
      }
      tuned = method.parameters(decoder, arena);
      SplittableRandom random = new SplittableRandom(5);
      for (long i = 0; i < tuned.size(); i++) {
        tuned.parameters().set(i, 0.2 * random.nextGaussian());
      }
      tuned.pack();
      for (int[] lengths : new int[][] {{66, 2, 33}, {3}, {18, 1, 40, 5}, {7, 70}}) {
        groups.add(
            Arrays.stream(lengths)
                .mapToObj(length ->
                    new Example(
                        random.ints(length, 0, config.vocabularySize()).toArray(), length / 4))
                .toList());
      }
    }

    DecoderGradients buffers(boolean recompute, TensorArena holder) {
      DecoderGradients gradients =
          (DecoderGradients) ExampleGradients.of(decoder, tuned, ROWS, EXAMPLES, recompute, holder);
      gradients.poison();
      return gradients;
    }

    @Override
    public void close() {
      decoder.close();
      arena.close();
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.size())];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  /** Of every example, in groups one after the other in the same buffers, which were NaN before. */
  @ParameterizedTest
  @MethodSource("cases")
  void noBitOfAGradientChanges(Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      DecoderGradients keeping = setting.buffers(false, setting.arena);
      DecoderGradients recomputing = setting.buffers(true, setting.arena);
      for (List<Example> group : setting.groups) {
        for (DecoderGradients gradients : List.of(keeping, recomputing)) {
          gradients.group().clear();
          group.forEach(example -> gradients.group().add(example.tokens(), example.prefix()));
          gradients.compute();
        }
        assertEquals(
            keeping.activations().loss(keeping.group()),
            recomputing.activations().loss(recomputing.group()));
        for (int e = 0; e < group.size(); e++) {
          double[] expected = values(keeping.gradient(e));
          assertTrue(
              group.get(e).tokens().length < 2 || Arrays.stream(expected).anyMatch(g -> g != 0));
          assertArrayEquals(expected, values(recomputing.gradient(e)), "example " + e);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void noIntegerOfASumChanges(Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      double[] expected = sum(setting, 1, false);
      assertTrue(Arrays.stream(expected).anyMatch(z -> z != 0));
      assertArrayEquals(expected, sum(setting, 1, true));
      assertArrayEquals(expected, sum(setting, 3, true));
    }
  }

  private static double[] sum(Setting setting, int workers, boolean recompute) {
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(workers, "test")) {
      List<ExampleGradients> buffers = new ArrayList<>();
      for (int i = 0; i < workers; i++) {
        buffers.add(setting.buffers(recompute, arena));
      }
      ClippedSum sum = ClippedSum.of(setting.decoder, setting.tuned, 0.5, 20, arena);
      try (BatchGradient gradient = BatchGradient.clipped(threads, buffers, sum)) {
        gradient.accumulate(setting.groups.stream().flatMap(List::stream).toList());
      }
      return values(sum.sums());
    }
  }

  /** What is planned for a worker is what it takes, but for some indices, and less than keeping. */
  @ParameterizedTest
  @MethodSource("cases")
  void aWorkersBuffersAreAsLargeAsPlanned(
      Kernels kernels, DecoderConfig config, TuningMethod method) {
    try (Setting setting = new Setting(kernels, config, method)) {
      long[] taken = new long[2];
      for (boolean recompute : new boolean[] {false, true}) {
        try (TensorArena arena = new TensorArena()) {
          ExampleGradients.of(setting.decoder, setting.tuned, 256, 2, recompute, arena);
          long planned = ExampleGradients.bytes(config, kernels, method, 256, 2, recompute);
          assertEquals(planned, arena.bytes(), 0.03 * arena.bytes());
          taken[recompute ? 1 : 0] = arena.bytes();
        }
      }
      assertTrue(taken[1] < taken[0], taken[1] + " of " + taken[0]);
    }
  }

  @Test
  void whereAllActivationsMustLiveItIsRefused() {
    Kernels kernels = new ReferenceKernels();
    TuningMethod some = new TuningMethod.Full(new TensorPatterns(List.of("*norm*")));
    for (TuningMethod method : List.of(new TuningMethod.Full(), some)) {
      try (Setting setting = new Setting(kernels, TinyModels.llama(), method);
          TensorArena arena = new TensorArena()) {
        IllegalArgumentException refused =
            assertThrows(
                IllegalArgumentException.class,
                () -> ExampleGradients.of(setting.decoder, setting.tuned, 64, 2, true, arena));
        assertTrue(refused.getMessage().startsWith("recompute: "), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
        assertEquals(0, arena.bytes());
        assertThrows(
            IllegalArgumentException.class,
            () -> ExampleGradients.bytes(TinyModels.llama(), kernels, method, 64, 2, true));
      }
    }
  }
}
