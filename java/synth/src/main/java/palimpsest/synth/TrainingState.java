package palimpsest.synth;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.Safetensors;
import palimpsest.engine.weights.SafetensorsWriter;

/**
 * What training goes on from: the adapter's parameters, the optimizer's moments and the number of
 * updates made. All of it follows from noisy sums alone. Neither batches nor keys nor sums are ever
 * part of it.
 */
final class TrainingState {
  private static final String PARAMETERS = "parameters";
  private static final String FIRST_MOMENT = "first_moment";
  private static final String SECOND_MOMENT = "second_moment";
  private static final String UPDATES = "updates";

  final Adapter adapter;
  final Tensor firstMoment;
  final Tensor secondMoment;
  long updates;

  TrainingState(Adapter adapter, Kernels kernels, TensorArena arena) {
    this.adapter = adapter;
    firstMoment = arena.allocate(kernels.wide(), adapter.size());
    secondMoment = arena.allocate(kernels.wide(), adapter.size());
  }

  /** Writes the state beside {@code file} and renames it into place. */
  void save(Path file) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(PARAMETERS, adapter.parameters());
    tensors.put(FIRST_MOMENT, firstMoment);
    tensors.put(SECOND_MOMENT, secondMoment);
    SafetensorsWriter.write(file, tensors, Map.of(UPDATES, Long.toString(updates)));
  }

  /** Reads a saved state; false if there is none. */
  boolean load(Path file) {
    if (!Files.exists(file)) {
      return false;
    }
    try (Safetensors saved = Safetensors.open(file)) {
      adapter.parameters().copyFrom(saved.tensor(PARAMETERS));
      firstMoment.copyFrom(saved.tensor(FIRST_MOMENT));
      secondMoment.copyFrom(saved.tensor(SECOND_MOMENT));
      updates = Long.parseLong(saved.metadata().get(UPDATES));
    }
    adapter.pack();
    return true;
  }
}
