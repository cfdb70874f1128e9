package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class TrainingStateTest {
  @TempDir Path folder;

  /** Parts in any order, of any size, come to the update of the whole. */
  @Test
  void anUpdateIsThatOfItsParts() throws Exception {
    TinySetting setting = new TinySetting(folder);
    Optimizer.AdamW settings = new Optimizer.AdamW(1e-2, 0.9, 0.99, 1e-8, 0.1);
    try (ModelFolder model = ModelFolder.open(setting.model());
        Kernels kernels = new ReferenceKernels();
        TunedDecoder tuned =
            TunedDecoder.begin(
                model, kernels, 16, new TuningMethod.Full(), new SplittableRandom(1));
        TensorArena arena = new TensorArena()) {
      TrainingState state = new TrainingState(tuned.tuned(), kernels, arena);
      int size = Math.toIntExact(tuned.tuned().size());
      Tensor parameters = arena.allocate(DType.F64, size).copyFrom(tuned.tuned().parameters());
      Tensor first = arena.allocate(DType.F64, size);
      Tensor second = arena.allocate(DType.F64, size);
      Tensor sums = arena.allocate(DType.I32, size);
      for (int step = 1; step <= 3; step++) {
        for (int i = 0; i < size; i++) {
          sums.set(i, Math.round(1e4 * Math.sin(i + step)));
        }
        kernels.optimizer().update(sums, 1e-4, settings, step, parameters, first, second);
        int[] cuts = {0, 7, 1000, 1001, size / 2, size};
        for (int part = cuts.length - 2; part >= 0; part--) {
          Tensor piece = sums.part(cuts[part], cuts[part + 1] - cuts[part]);
          state.update(kernels, piece, cuts[part], 1e-4, settings);
        }
        state.end();
      }
      assertTrue(state.updates == 3);
      assertArrayEquals(values(parameters), values(tuned.tuned().parameters()));
      assertArrayEquals(values(first), values(state.firstMoment));
      assertArrayEquals(values(second), values(state.secondMoment));
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }
}
