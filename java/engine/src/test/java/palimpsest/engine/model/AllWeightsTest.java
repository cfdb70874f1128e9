package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
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
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.testing.TinyModels;

/** A model whose own weights are trained. */
class AllWeightsTest {
  @TempDir Path temporary;

  static Stream<Arguments> cases() {
    return Stream.of(TinyModels.llama(), TinyModels.untied(), TinyModels.gpt2())
        .flatMap(config ->
            Stream.of(new ReferenceKernels(), new CpuKernels(DType.F32), new CpuKernels(DType.BF16))
                .map(kernels -> Arguments.of(config, kernels)));
  }

  private static TunedDecoder begin(ModelFolder folder, Kernels kernels) {
    return TunedDecoder.begin(
        folder, kernels, 16, new TuningMethod.Full(), new SplittableRandom(1));
  }

  /** Losses of a few tokens. */
  private static double[] losses(TunedDecoder model) {
    Decoder decoder = model.decoder();
    try (TensorArena arena = new TensorArena()) {
      TokenGroup group = new TokenGroup(16, 1, decoder.kernels().wide(), arena);
      group.add(new int[] {3, 9, 4, 1, 7, 11, 2}, 1);
      Activations activations =
          new Activations(
              decoder.config(), decoder.kernels(), 16, 16, 0, Activations.Purpose.FORWARD, arena);
      decoder.forward(group, model.tuned(), activations);
      decoder.losses(group, activations);
      double[] losses = new double[group.weightedRows()];
      Arrays.setAll(losses, activations::nll);
      return losses;
    }
  }

  /** Moves every weight by something that bfloat16 notices. */
  private static void move(Trainable weights) {
    SplittableRandom random = new SplittableRandom(7);
    for (long i = 0; i < weights.size(); i++) {
      weights.parameters().set(i, weights.parameters().get(i) + 0.05 * random.nextGaussian());
    }
    weights.pack();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void beginsAsTheBaseModel(DecoderConfig config, Kernels kernels) {
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"));
        TunedDecoder base = TunedDecoder.untuned(folder, kernels, 16);
        TunedDecoder begun = begin(folder, kernels)) {
      assertEquals(new WeightLayout(config).size(), begun.tuned().size());
      assertEquals(config.parameterCount(), begun.tuned().size());
      assertArrayEquals(losses(base), losses(begun));
      assertArrayEquals(losses(base), losses(begun.base()));
      move(begun.tuned());
      assertFalse(Arrays.equals(losses(base), losses(begun)), "its weights are the decoder's");
      assertThrows(IllegalStateException.class, begun::base);
    }
  }

  /** What was trained is a model folder of its own, which computes what the trained model did. */
  @ParameterizedTest
  @MethodSource("cases")
  void isWrittenAsAModel(DecoderConfig config, Kernels kernels) {
    Path saved = temporary.resolve("saved");
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"));
        TunedDecoder trained = begin(folder, kernels)) {
      move(trained.tuned());
      trained.write(saved, "tiny");
      try (ModelFolder whole = ModelFolder.open(saved);
          TunedDecoder read = TunedDecoder.untuned(whole, kernels, 16);
          TunedDecoder opened = TunedDecoder.open(folder, kernels, 16, saved);
          TunedDecoder again = begin(whole, kernels)) {
        assertEquals(config, whole.config());
        DType type = whole.weight(Role.EMBEDDING, 0).type();
        assertEquals(kernels.compute() == DType.BF16 ? DType.BF16 : DType.F32, type);
        // Files have no 64-bit numbers; everything else is what the decoder computed with.
        double tolerance = kernels instanceof ReferenceKernels ? 1e-5 : 0;
        assertArrayEquals(losses(trained), losses(read), tolerance);
        assertArrayEquals(losses(trained), losses(opened), tolerance);
        if (kernels.compute() != DType.BF16) {
          assertArrayEquals(
              values(trained.tuned().parameters()), values(again.tuned().parameters()), 1e-6);
        }
      }
    }
  }

  static Stream<Arguments> subsets() {
    return cases()
        .flatMap(arguments -> {
          DecoderConfig config = (DecoderConfig) arguments.get()[0];
          List<String> patterns =
              config.family().equals("gpt2")
                  ? List.of("*.bias", "*.weight", "h.1.*", "wte.weight")
                  : List.of("*.mlp.*", "*norm*", "model.layers.1.*", "model.embed_tokens.*");
          return patterns.stream()
              .map(pattern ->
                  Arguments.of(config, arguments.get()[1], new TensorPatterns(List.of(pattern))));
        });
  }

  /**
   * What is frozen leaves as it came, in its own type and to the bit; what is trained does not, and
   * the two together compute what the trained model did.
   */
  @ParameterizedTest
  @MethodSource("subsets")
  void whatIsFrozenIsWrittenAsItWas(DecoderConfig config, Kernels kernels, TensorPatterns trained) {
    Path saved = temporary.resolve("saved");
    TuningMethod method = new TuningMethod.Full(trained);
    try (ModelFolder folder = TinyModels.write(config, temporary.resolve("model"));
        TunedDecoder base = TunedDecoder.untuned(folder, kernels, 16);
        TunedDecoder begun =
            TunedDecoder.begin(folder, kernels, 16, method, new SplittableRandom(1))) {
      assertArrayEquals(losses(base), losses(begun));
      move(begun.tuned());
      assertFalse(Arrays.equals(losses(base), losses(begun)));
      begun.write(saved, "tiny");
      WeightLayout layout = ((AllWeights) begun.tuned()).layout();
      try (ModelFolder whole = ModelFolder.open(saved);
          TunedDecoder read = TunedDecoder.open(folder, kernels, 16, saved)) {
        for (TensorNames.Slot slot : TensorNames.of(config).slots()) {
          Tensor before = stored(folder, slot);
          Tensor after = stored(whole, slot);
          boolean same =
              before.type() == after.type() && before.data().mismatch(after.data()) == -1;
          assertEquals(!layout.holds(slot), same, slot.name());
        }
        double tolerance = kernels instanceof ReferenceKernels ? 1e-5 : 0;
        assertArrayEquals(losses(begun), losses(read), tolerance);
      }
    }
  }

  private static Tensor stored(ModelFolder folder, TensorNames.Slot slot) {
    return slot.bias()
        ? folder.bias(slot.role(), slot.layer()).orElseThrow()
        : folder.weight(slot.role(), slot.layer());
  }

  /** Rather no model than one whose frozen weights are of unknown origin. */
  @Test
  void frozenWeightsAreThoseThatTrainingStartedFrom() throws IOException {
    TuningMethod method = new TuningMethod.Full(new TensorPatterns(List.of("*norm*")));
    Path saved = temporary.resolve("saved");
    Path model = temporary.resolve("model");
    try (Kernels kernels = new ReferenceKernels()) {
      TunedDecoder begun;
      try (ModelFolder folder = TinyModels.write(TinyModels.llama(), model)) {
        begun = TunedDecoder.begin(folder, kernels, 16, method, new SplittableRandom(1));
      }
      try (begun) {
        Path file = model.resolve(SafetensorsFolder.SINGLE);
        byte[] before = Files.readAllBytes(file);
        byte[] after = before.clone();
        after[after.length - 1] ^= 1;
        Files.write(file, after);
        ModelFileException refused =
            assertThrows(ModelFileException.class, () -> begun.write(saved, "tiny"));
        assertTrue(refused.getMessage().contains("put them back"), refused.getMessage());
        assertFalse(Files.exists(saved));
        Files.write(file, before);
        begun.write(saved, "tiny");
      }
      ModelFolder.open(saved).close();
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  @Test
  void aModelOfAnotherFormIsNotOneThatWasTuned() {
    try (ModelFolder folder = TinyModels.write(TinyModels.llama(), temporary.resolve("model"));
        ModelFolder other = TinyModels.write(TinyModels.untied(), temporary.resolve("other"));
        Kernels kernels = new ReferenceKernels()) {
      ModelFileException refused =
          assertThrows(
              ModelFileException.class, () -> TunedDecoder.open(folder, kernels, 16, other.path()));
      assertTrue(refused.getMessage().contains("not of the base model's form"));
    }
  }
}
