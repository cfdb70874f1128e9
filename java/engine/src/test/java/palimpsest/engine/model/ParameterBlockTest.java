package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Which matrices and vectors the parameters of each way of tuning are. */
class ParameterBlockTest {
  @TempDir Path temporary;

  static Stream<Arguments> areWhatIsTuned() {
    return Stream.of(TinyModels.llama(true), TinyModels.llama(false), TinyModels.gpt2())
        .flatMap(config ->
            Stream.of(
                    TuningMethod.Lora.of(3),
                    new TuningMethod.Lora(2, 4, Set.of(Role.DOWN, Role.UP)),
                    new TuningMethod.Prompt(5),
                    new TuningMethod.Bias(Set.of()),
                    new TuningMethod.Full())
                .map(method -> Arguments.of(config, method)));
  }

  /** Views of the flat vector as the tuned model itself takes them, in its order. */
  private static List<Tensor> views(Trainable tuned, Tensor flat) {
    List<Tensor> views = new ArrayList<>();
    switch (tuned) {
      case Adapter adapter ->
          adapter
              .sites()
              .forEach(site -> {
                views.add(adapter.a(flat, site));
                views.add(adapter.b(flat, site));
              });
      case SoftPrompt prompt -> views.add(prompt.embeddings(flat));
      case BiasVectors biases -> biases.sites().forEach(site -> views.add(biases.bias(flat, site)));
      case AllWeights weights -> {
        weights.layout().matrices().forEach(matrix -> views.add(matrix.of(flat)));
        Tensor vectors = weights.layout().vectors(flat);
        weights.layout().vectors().forEach(vector -> views.add(vector.of(vectors)));
      }
    }
    return views;
  }

  @ParameterizedTest
  @MethodSource
  void areWhatIsTuned(DecoderConfig config, TuningMethod method) {
    Path path = temporary.resolve("model");
    try (TensorArena weights = new TensorArena()) {
      TinyModels.write(path, config, 1, weights);
    }
    try (ModelFolder folder = ModelFolder.open(path);
        Kernels kernels = new ReferenceKernels();
        TunedDecoder begun =
            TunedDecoder.begin(folder, kernels, 8, method, new SplittableRandom(1));
        TensorArena arena = new TensorArena()) {
      Trainable tuned = begun.tuned();
      Tensor flat = arena.allocate(DType.F64, tuned.size());
      for (long i = 0; i < flat.size(); i++) {
        flat.set(i, i);
      }
      List<Tensor> views = views(tuned, flat);
      List<ParameterBlock> blocks = method.blocks(config);
      assertEquals(views.size(), blocks.size());
      long end = 0;
      for (int i = 0; i < views.size(); i++) {
        ParameterBlock block = blocks.get(i);
        Tensor view = views.get(i);
        assertEquals(end, block.offset(), "block " + i);
        assertEquals(end, (long) view.get(0), "block " + i);
        assertEquals(view.rows(), block.rows(), "block " + i);
        assertEquals(view.cols(), block.cols(), "block " + i);
        boolean vectorOfTheModel = tuned instanceof AllWeights && view.shape().length == 1;
        assertEquals(!vectorOfTheModel, block.decays(), "block " + i);
        end += block.size();
      }
      assertEquals(tuned.size(), end);
    }
  }
}
