package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** Workers share a batch; nothing of a failed one comes out. */
class BatchGradientTest {
  private static final int ROWS = 40;

  @TempDir private Path temporary;
  private final TensorArena arena = new TensorArena();
  private final Kernels kernels = new ReferenceKernels();
  private Decoder decoder;
  private Adapter adapter;
  private final List<Example> batch = new ArrayList<>();
  private final List<Workers> opened = new ArrayList<>();

  @BeforeEach
  void makeModel() {
    DecoderConfig config = TinyModels.llama();
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"))) {
      decoder = new Decoder(folder, kernels, true, ROWS);
    }
    adapter = new Adapter(config, 2, 4, Adapter.linearRoles(config), kernels, arena);
    SplittableRandom random = new SplittableRandom(3);
    for (long i = 0; i < adapter.size(); i++) {
      adapter.parameters().set(i, 0.2 * random.nextGaussian());
    }
    adapter.pack();
    for (int length : new int[] {9, 30, 4, 17, 2, 40}) {
      batch.add(new Example(random.ints(length, 0, config.vocabularySize()).toArray(), 1));
    }
  }

  @AfterEach
  void close() {
    opened.forEach(Workers::close);
    decoder.close();
    arena.close();
  }

  private LoraGradients gradients() {
    return new LoraGradients(decoder, adapter, ROWS, 3, false, arena);
  }

  private Workers workers(int count) {
    Workers workers = new Workers(count, "test");
    opened.add(workers);
    return workers;
  }

  private BatchGradient batch(int count, ClippedSum sum) {
    List<LoraGradients> buffers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      buffers.add(gradients());
    }
    return sum == null
        ? BatchGradient.plain(workers(count), buffers)
        : BatchGradient.clipped(workers(count), buffers, sum);
  }

  /** Examples one by one, added up in double. */
  private double[] expected() {
    double[] sum = new double[(int) adapter.size()];
    LoraGradients one = gradients();
    for (Example example : batch) {
      one.group().clear();
      one.group().add(example.tokens(), example.prefix());
      one.compute();
      for (int i = 0; i < sum.length; i++) {
        sum[i] += one.gradient(0).get(i);
      }
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void thePublicSumIsThatOfTheExamples(int count) {
    double[] expected = expected();
    Tensor total = arena.allocate(kernels.wide(), adapter.size()).fill(5);
    try (BatchGradient workers = batch(count, null)) {
      for (int repeat = 0; repeat < 2; repeat++) {
        workers.accumulatePublic(batch, total);
        for (int i = 0; i < expected.length; i++) {
          assertEquals(expected[i], total.get(i), 1e-12 * (1 + Math.abs(expected[i])));
        }
      }
    }
  }

  @Test
  void aFailedWorkerLeavesNothing() {
    List<Example> broken = new ArrayList<>(batch);
    broken.add(new Example(new int[] {1, 2, Integer.MAX_VALUE, 3}, 0));
    VectorSum total = new VectorSum(kernels, adapter.size(), 1, 20, arena);
    Tensor publicTotal = arena.allocate(kernels.wide(), adapter.size()).fill(5);
    try (BatchGradient workers = batch(2, total)) {
      workers.accumulate(batch);
      assertThrows(IllegalStateException.class, () -> workers.accumulate(broken));
      assertThrows(
          IllegalStateException.class, () -> workers.accumulatePublic(broken, publicTotal));
    }
    for (long i = 0; i < adapter.size(); i++) {
      assertEquals(0, total.sums().getLong(i));
      assertEquals(0, publicTotal.get(i));
    }
  }

  @Test
  void aSumWithoutClippingHasTheSameBitsWhoeverAddsToIt() {
    double[] expected = null;
    for (int count : new int[] {1, 2, 4}) {
      Tensor total = arena.allocate(kernels.wide(), adapter.size());
      try (BatchGradient workers = batch(count, null)) {
        workers.accumulatePublic(batch, total);
        assertThrows(IllegalStateException.class, () -> workers.accumulate(batch));
      }
      double[] values = new double[(int) total.size()];
      Arrays.setAll(values, total::get);
      expected = expected == null ? values : expected;
      assertArrayEquals(expected, values, count + " workers");
    }
  }

  @Test
  void anExampleThatFitsNoGroupIsRefused() {
    Tensor total = arena.allocate(kernels.wide(), adapter.size());
    List<Example> tooLong = List.of(new Example(new int[ROWS + 2], 0));
    try (BatchGradient workers = batch(1, null)) {
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class, () -> workers.accumulatePublic(tooLong, total));
      assertTrue(refused.getMessage().contains("longer"), refused.getMessage());
    }
  }
}
