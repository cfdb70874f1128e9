package palimpsest.synth;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.InputException;

/**
 * Training of a model of labels: as anybody would, or by the private step ({@link
 * PrivateTraining}), which is the same for every kind of model. A model that was trained in the
 * first way is as private as its texts.
 */
public final class ClassifierTraining {
  /** The finest grid: a gradient at the bound has steps to spare in each of its numbers. */
  private static final int GRID_BITS = 24;

  private ClassifierTraining() {}

  /**
   * How a model is trained without privacy.
   *
   * @param epochs times that each text is read
   * @param batch texts a step
   * @param optimizer what moves the parameters, and how fast
   * @param seed of the order of the texts
   */
  public record Plain(int epochs, int batch, OptimizerSpec optimizer, long seed) {
    /** Checks the counts. */
    public Plain {
      if (epochs < 0 || batch < 1) {
        throw new IllegalArgumentException(
            "epochs must not be negative, a batch has one text at least");
      }
    }
  }

  /**
   * Trains without clipping and noise. The bits of the result depend on nothing but the arguments,
   * and not on the number of workers.
   *
   * @param model at its start
   * @throws InputException if training diverges
   */
  public static void plain(
      LabelModel model, List<Example> examples, Plain settings, ExecutionSpec asked) {
    ExecutionSpec execution = asked.forLength(model.maxPositions());
    int stepsAnEpoch = Math.ceilDiv(examples.size(), settings.batch());
    long steps = (long) settings.epochs() * stepsAnEpoch;
    try (TensorArena arena = new TensorArena();
        Workers workers = new Workers(execution.workers(), "palimpsest-classifier");
        BatchGradient gradient = BatchGradient.plain(workers, buffers(model, execution, arena))) {
      TrainingState state = new TrainingState(model, settings.optimizer(), arena);
      Tensor sum = arena.allocate(model.kernels().wide(), model.size());
      for (int epoch = 0; epoch < settings.epochs(); epoch++) {
        List<Example> order = new ArrayList<>(examples);
        new SplitMix64(SplitMix64.mix(settings.seed()) + epoch).shuffle(order);
        for (int first = 0; first < order.size(); first += settings.batch()) {
          int end = Math.min(order.size(), first + settings.batch());
          Optimizer.Settings now = settings.optimizer().at(state.updates + 1, steps);
          step(gradient, order.subList(first, end), state, sum, now, workers);
        }
      }
    }
    requireFinite(model);
  }

  private static List<ExampleGradients> buffers(
      LabelModel model, ExecutionSpec execution, TensorArena arena) {
    List<ExampleGradients> buffers = new ArrayList<>();
    for (int i = 0; i < execution.workers(); i++) {
      buffers.add(
          ExampleGradients.inPublic(
              model, execution.groupRows(), execution.groupExamples(), arena));
    }
    return buffers;
  }

  private static void step(
      BatchGradient gradient,
      List<Example> batch,
      TrainingState state,
      Tensor sum,
      Optimizer.Settings settings,
      Workers workers) {
    gradient.accumulatePublic(batch, sum);
    double scale = 1.0 / batch.size();
    workers.overPieces(
        sum.size(),
        NoisyUpdate.PIECE,
        (first, count) -> state.update(sum.part(first, count), first, scale, settings));
    state.end(workers, sum, scale, settings);
  }

  /**
   * Trains by the private step: each step is paid for before its update. The mechanism is the one
   * that the run pays for.
   *
   * @param model at its start, which follows from public things
   * @param examples private; only the drawn ones are looked at
   * @param optimizer of all steps of the mechanism
   * @param run the ledger's run that pays, just begun; it ends with the last step
   * @param key the run's key
   * @throws IllegalArgumentException if the run was begun with another key
   * @throws InputException if training diverges
   */
  public static void privately(
      LabelModel model,
      List<Example> examples,
      OptimizerSpec optimizer,
      ExecutionSpec asked,
      Ledger.Run run,
      SecretKey key) {
    if (!run.start().keyFingerprint().equals(key.fingerprint())) {
      throw new IllegalArgumentException("the ledger's run was begun with another key");
    }
    MechanismSpec mechanism = run.start().spec();
    ExecutionSpec execution = asked.forLength(model.maxPositions());
    try (TensorArena arena = new TensorArena()) {
      TrainingState state = new TrainingState(model, optimizer, arena);
      try (PrivateTraining training =
          PrivateTraining.of(model, state, mechanism, optimizer, GRID_BITS, execution)) {
        training.run(examples, run, key, 1, () -> {}, _ -> {});
        run.end();
      }
    }
    requireFinite(model);
  }

  private static void requireFinite(LabelModel model) {
    if (!model.isFinite()) {
      throw new InputException("training diverged; take a lower learning rate");
    }
  }
}
