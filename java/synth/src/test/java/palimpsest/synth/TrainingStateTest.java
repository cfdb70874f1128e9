package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.Safetensors;
import palimpsest.synth.text.InputException;

class TrainingStateTest {
  private static final String RUN = "run";
  private static final double SCALE = 1e-4;
  static final List<OptimizerSpec> OPTIMIZERS = Optimizers.ALL;

  @TempDir Path folder;

  /** All weights of the tiny model, and their state. */
  private final class Training implements AutoCloseable {
    private final Kernels kernels = new CpuKernels(DType.F32);
    private final TensorArena arena = new TensorArena();
    private final Workers workers = new Workers(2, "test");
    private final OptimizerSpec optimizer;
    private final TunedDecoder tuned;
    private final TrainingState state;

    Training(OptimizerSpec optimizer) throws IOException {
      this.optimizer = optimizer;
      try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model())) {
        tuned =
            TunedDecoder.begin(
                model, kernels, 16, new TuningMethod.Full(), new SplittableRandom(1));
      }
      state = new TrainingState(tuned, optimizer, arena);
    }

    /** A step on sums that follow from its number, in pieces that go from one cut to the next. */
    void step(int... cuts) {
      int size = Math.toIntExact(state.tuned.size());
      Tensor sums = arena.allocate(DType.I32, size);
      long step = state.updates + 1;
      for (int i = 0; i < size; i++) {
        sums.set(i, Math.round(1e4 * Math.sin(i + step)));
      }
      Optimizer.Settings settings = optimizer.at(step, 9);
      for (int cut = cuts.length - 1; cut >= 0; cut--) {
        int to = cut == cuts.length - 1 ? size : cuts[cut + 1];
        state.update(sums.part(cuts[cut], to - cuts[cut]), cuts[cut], SCALE, settings);
      }
      state.end(workers, sums, SCALE, settings);
    }

    double[] parameters() {
      return values(state.tuned.parameters());
    }

    @Override
    public void close() {
      workers.close();
      tuned.close();
      kernels.close();
      arena.close();
    }
  }

  /** Parts in any order, of any size, come to the update of the whole. */
  @ParameterizedTest
  @FieldSource("OPTIMIZERS")
  void anUpdateIsThatOfItsParts(OptimizerSpec optimizer) throws IOException {
    try (Training whole = new Training(optimizer);
        Training parts = new Training(optimizer)) {
      double[] start = whole.parameters();
      int last = start.length - 40;
      for (int step = 1; step <= 3; step++) {
        whole.step(0);
        parts.step(0, 7, 1000, 1001, last);
      }
      assertEquals(3, parts.state.updates);
      assertArrayEquals(whole.parameters(), parts.parameters());
      double[] end = whole.parameters();
      for (int i = 0; i < end.length; i++) {
        assertNotEquals(start[i], end[i], "parameter " + i);
      }
    }
  }

  /** What is saved is all that an optimizer goes on from. */
  @ParameterizedTest
  @FieldSource("OPTIMIZERS")
  void aSavedStateGoesOnToTheSameBits(OptimizerSpec optimizer) throws IOException {
    Path file = folder.resolve("state.safetensors");
    try (Training whole = new Training(optimizer);
        Training resumed = new Training(optimizer)) {
      whole.step(0);
      whole.step(0);
      whole.state.save(file, RUN);
      resumed.state.load(file, RUN, 2);
      for (int step = 3; step <= 5; step++) {
        whole.step(0);
        resumed.step(0);
      }
      assertEquals(5, resumed.state.updates);
      assertArrayEquals(whole.parameters(), resumed.parameters());
    }
  }

  /** Nothing besides the parameters but what the optimizer needs. */
  @Test
  void aStateHoldsNoMoreThanTheOptimizerNeeds() throws IOException {
    Set<String> first = Set.of("parameters", "first_moment");
    Set<String> factors = Set.of("parameters", "row_means", "column_means");
    Set<String> moments = Set.of("parameters", "first_moment", "second_moment");
    Path file = folder.resolve("state.safetensors");
    for (OptimizerSpec optimizer : OPTIMIZERS) {
      try (Training training = new Training(optimizer)) {
        training.step(0);
        training.state.save(file, RUN);
        try (Safetensors saved = Safetensors.open(file)) {
          long numbers = 0;
          for (String name : saved.names()) {
            numbers += saved.tensor(name).size();
          }
          long size = training.state.tuned.size();
          switch (optimizer.settings()) {
            case Optimizer.Sgd sgd when sgd.momentum() == 0 ->
                assertEquals(Set.of("parameters"), saved.names());
            case Optimizer.Sgd _ -> assertEquals(first, saved.names());
            case Optimizer.Adaptive _ -> assertEquals(moments, saved.names());
            case Optimizer.Adafactor a when a.beta1() == 0 -> {
              assertEquals(factors, saved.names());
              // Of matrices as thin as these; a vector keeps all of its second moment.
              assertTrue(numbers < 1.15 * size, numbers + " for " + size);
            }
            case Optimizer.Adafactor _ -> assertEquals(4, saved.names().size());
          }
        }
      }
    }
  }

  /** A state that another optimizer saved lacks what this one goes on from. */
  @Test
  void aStateOfAnotherOptimizerIsRefused() throws IOException {
    Path file = folder.resolve("state.safetensors");
    try (Training sgd = new Training(OPTIMIZERS.getFirst());
        Training adafactor = new Training(OPTIMIZERS.getLast())) {
      sgd.step(0);
      sgd.state.save(file, RUN);
      assertThrows(InputException.class, () -> adafactor.state.load(file, RUN, 1));
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }
}
