package palimpsest.synth;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.FlatParameters;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.OptimizerState;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;
import palimpsest.engine.weights.SafetensorsWriter;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.MechanismSpec;
import palimpsest.synth.text.InputException;

/**
 * What training goes on from: the trained parameters, what the optimizer keeps, the number of
 * updates made and, of private training, the clip norm. In private training all of it follows from
 * noisy sums alone. Neither batches nor keys nor sums are ever part of it.
 */
final class TrainingState {
  private static final String PARAMETERS = "parameters";
  private static final String UPDATES = "updates";
  private static final String RUN = "run";
  private static final String CLIP_NORM = "clip_norm";

  final FlatParameters tuned;
  final OptimizerState optimizer;
  long updates;

  /** C of the next step, once a private step has been made: noisy counts may have moved it. */
  OptionalDouble clipNorm = OptionalDouble.empty();

  /**
   * @param model whose parameters are trained
   * @param optimizer what moves them
   * @param arena holds what the optimizer keeps and needs
   */
  TrainingState(TunedDecoder model, OptimizerSpec optimizer, TensorArena arena) {
    this(
        model.tuned(),
        model.tuned().method().blocks(model.decoder().config()),
        model.decoder().kernels(),
        optimizer,
        arena);
  }

  /** The same for a model of labels. */
  TrainingState(LabelModel model, OptimizerSpec optimizer, TensorArena arena) {
    this(model, model.blocks(), model.kernels(), optimizer, arena);
  }

  private TrainingState(
      FlatParameters tuned,
      List<ParameterBlock> blocks,
      Kernels kernels,
      OptimizerSpec optimizer,
      TensorArena arena) {
    this.tuned = tuned;
    this.optimizer = OptimizerState.of(optimizer.settings(), blocks, kernels, arena);
  }

  /**
   * Part of the next update.
   *
   * @param sums noisy [n], of as many parameters
   * @param first number of the first of them
   * @param scale turns a sum into an average gradient
   */
  void update(Tensor sums, long first, double scale, Optimizer.Settings settings) {
    optimizer.update(sums, first, scale, settings, updates + 1, tuned.parameters());
  }

  /**
   * Ends an update, all parts of which are done.
   *
   * @param sums all of them, noisy
   */
  void end(Workers workers, Tensor sums, double scale, Optimizer.Settings settings) {
    optimizer.end(workers, sums, scale, settings, updates + 1, tuned.parameters());
    updates++;
    tuned.pack();
  }

  /**
   * Writes the state beside {@code file} and renames it into place.
   *
   * @param run the name of the run that it belongs to
   */
  void save(Path file, String run) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(PARAMETERS, tuned.parameters());
    tensors.putAll(optimizer.tensors());
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(UPDATES, Long.toString(updates));
    metadata.put(RUN, run);
    clipNorm.ifPresent(norm -> metadata.put(CLIP_NORM, Double.toHexString(norm)));
    SafetensorsWriter.write(file, tensors, metadata);
  }

  /**
   * Reads a saved state; without one training starts from the beginning.
   *
   * @param run the name of the run that goes on
   * @param paid how many steps the ledger counts for it
   * @throws InputException if the state is damaged, another run's, or holds more updates than were
   *     paid for: what is released must follow from steps that the ledger holds
   */
  void load(Path file, String run, long paid) {
    if (!Files.exists(file)) {
      return;
    }
    try (Safetensors saved = Safetensors.open(file)) {
      long made = Long.parseLong(saved.metadata().get(UPDATES));
      if (!run.equals(saved.metadata().get(RUN)) || made < 0 || made > paid) {
        throw new InputException(
            "the training state is not the one that the ledger paid for; forget the run with --discard");
      }
      clipNorm = clipNorm(saved.metadata().get(CLIP_NORM));
      copy(saved, PARAMETERS, tuned.parameters());
      optimizer.tensors().forEach((name, tensor) -> copy(saved, name, tensor));
      updates = made;
    } catch (ModelFileException | NumberFormatException _) {
      throw damaged();
    }
    tuned.pack();
  }

  private static OptionalDouble clipNorm(String text) {
    return text == null ? OptionalDouble.empty() : OptionalDouble.of(Double.parseDouble(text));
  }

  /**
   * C of the next step: the mechanism's, unless its rule moves it and a step has been made.
   *
   * @throws InputException if it is lost, or not one that the rule can lead to
   */
  double clipNorm(MechanismSpec mechanism) {
    double norm = clipNorm.orElse(mechanism.clipNorm());
    boolean possible =
        mechanism.clipRule() instanceof ClipRule.Quantile
            ? (updates == 0 || clipNorm.isPresent())
                && norm >= ClipRule.Quantile.MIN_NORM
                && norm <= ClipRule.Quantile.MAX_NORM
            : norm == mechanism.clipNorm();
    if (!possible) {
      throw damaged();
    }
    return norm;
  }

  private static void copy(Safetensors saved, String name, Tensor to) {
    Tensor from = saved.tensor(name);
    if (!Arrays.equals(from.shape(), to.shape())) {
      throw damaged();
    }
    to.copyFrom(from);
  }

  private static InputException damaged() {
    return new InputException("the training state is damaged; forget the run with --discard");
  }
}
