package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

/** A backward pass ends where nothing further down is wanted. */
class BackwardDepthTest {
  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return Stream.of(TinyModels.llama(), TinyModels.untied(), TinyModels.gpt2())
        .flatMap(config ->
            Stream.of(new ReferenceKernels(), new CpuKernels(DType.BF16))
                .flatMap(kernels ->
                    Stream.of(Activations.Purpose.BACKWARD, Activations.Purpose.BOOK_KEEPING)
                        .map(purpose -> Arguments.of(config, kernels, purpose))));
  }

  /** The gradients that a pass hands out, by the places' heights. */
  private static final class Seen implements ParameterGradients {
    final int lowest;
    final Map<String, double[]> gradients = new HashMap<>();
    final TreeSet<Integer> heights = new TreeSet<>();

    Seen(int lowest) {
      this.lowest = lowest;
    }

    private void keep(Role role, int layer, long first, Tensor dy) {
      double[] values = new double[Math.toIntExact(dy.size())];
      for (int r = 0; r < dy.rows(); r++) {
        for (int c = 0; c < dy.cols(); c++) {
          values[(int) (r * dy.cols() + c)] = dy.get(r, c);
        }
      }
      gradients.put(role + " " + layer + " " + first, values);
      heights.add(role.height(layer));
    }

    @Override
    public int lowest() {
      return lowest;
    }

    @Override
    public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
      keep(role, layer, 0, dy);
    }

    @Override
    public void norm(Role role, int layer, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
      keep(role, layer, 0, dy);
    }

    @Override
    public void headNorm(long first, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
      keep(Role.FINAL_NORM, 0, first, dy);
    }

    @Override
    public void head(long first, Tensor h, Tensor dLogits) {
      keep(Role.HEAD, 0, first, dLogits);
    }

    @Override
    public void embedding(Tensor dx) {
      keep(Role.EMBEDDING, 0, 0, dx);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void thePassEndsAtTheLowestPlaceThatIsWanted(
      DecoderConfig config, Kernels kernels, Activations.Purpose purpose) {
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"));
        Decoder decoder = new Decoder(folder, kernels, true, 32)) {
      Seen all = pass(decoder, purpose, Role.EMBEDDING.height(0));
      // Two norms, the inputs, the output, up and down of two blocks; embedding, final norm, head.
      assertEquals(2 * 6 + 3, all.heights.size());
      for (int lowest : all.heights) {
        Seen seen = pass(decoder, purpose, lowest);
        assertEquals(all.heights.tailSet(lowest), seen.heights);
        seen.gradients.forEach(
            (place, values) -> assertArrayEquals(all.gradients.get(place), values, place));
      }
    }
  }

  private static Seen pass(Decoder decoder, Activations.Purpose purpose, int lowest) {
    try (TensorArena arena = new TensorArena()) {
      TokenGroup group = new TokenGroup(32, 2, decoder.kernels().wide(), arena);
      group.add(new int[] {3, 9, 4, 1, 7, 11, 2}, 1);
      group.add(new int[] {5, 2, 60, 33}, 0);
      Activations activations =
          new Activations(decoder.config(), decoder.kernels(), 32, 32, 0, purpose, arena);
      activations.poison();
      Seen seen = new Seen(lowest);
      decoder.forward(group, null, activations);
      decoder.backward(group, null, activations, seen);
      for (double[] values : seen.gradients.values()) {
        assertEquals(0, Arrays.stream(values).filter(Double::isNaN).count());
      }
      return seen;
    }
  }
}
