package palimpsest.synth;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.LongConsumer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Clipping;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PoissonSampler;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;

/**
 * The one owner of the private step: it draws the batch, sums the clipped gradients, adds the
 * noise, updates, and has paid the ledger before. Nothing else in the program touches private
 * gradients.
 *
 * <p>A step is: pay; draw a Poisson subset of whole examples; clip each example's gradient into
 * integers of norm at most C and sum them; add rounded Gaussian integers of standard deviation
 * sigma C; divide by the fixed expected batch; update. An empty draw is a step like any other
 * (DP-SGD, Abadi et al. 2016, with the integer mechanism of docs/privacy.md). Where C follows a
 * quantile of the norms, a step also counts those of the draw that are within C, with noise, and C
 * of the next step follows from that.
 */
final class PrivateTraining implements AutoCloseable {
  /** What is made of a step's noisy sum: post-processing, whatever it does. */
  interface Update {
    /**
     * Takes a piece of the sum; called from several threads, once for every piece.
     *
     * @param sums [n]: clipped gradients and noise, in grid steps
     * @param first number of its first element
     * @param scale turns a sum into an average gradient
     * @param step from 1
     */
    void apply(Tensor sums, long first, double scale, long step);

    /**
     * Called when all pieces of a step have been taken.
     *
     * @param workers share the work that is left
     * @param sums all of the sum, with the noise in it
     */
    default void end(Workers workers, Tensor sums, double scale, long step) {}

    /**
     * Called before the end of a step.
     *
     * @param clipNorm C of the next step
     */
    default void clipNext(double clipNorm) {}
  }

  private final Kernels kernels;
  private final MechanismSpec mechanism;
  private final Update update;
  private final TensorArena arena = new TensorArena();
  private final Workers workers;
  private final ClippedSum sum;
  private final BatchGradient gradient;

  /**
   * @param mechanism all planned steps, including those of earlier runs that are resumed
   * @param workers how many threads
   * @param sum makes the sum, on the mechanism's clip norm
   * @param gradients makes a worker's buffers
   * @param update gets the noisy sum of each step
   */
  PrivateTraining(
      Kernels kernels,
      MechanismSpec mechanism,
      int workers,
      Function<TensorArena, ClippedSum> sum,
      Function<TensorArena, ExampleGradients> gradients,
      Update update) {
    this.kernels = kernels;
    this.mechanism = mechanism;
    this.update = update;
    this.workers = new Workers(workers, "palimpsest-gradient");
    this.sum = sum.apply(arena);
    if (this.sum.clipNorm() != mechanism.clipNorm()) {
      throw new IllegalArgumentException(
          "the sum clips to " + this.sum.clipNorm() + ", the mechanism to " + mechanism.clipNorm());
    }
    List<ExampleGradients> buffers = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      buffers.add(gradients.apply(arena));
    }
    gradient = BatchGradient.clipped(this.workers, buffers, this.sum);
  }

  /**
   * Training of what a model is tuned by, with all memory that a step takes.
   *
   * @param state where training starts; its parameters are trained
   */
  static PrivateTraining of(
      TunedDecoder model,
      TrainingState state,
      MechanismSpec mechanism,
      TuningSpec tuning,
      ExecutionSpec execution) {
    Decoder decoder = model.decoder();
    return of(
        decoder.kernels(),
        mechanism,
        execution,
        arena ->
            ClippedSum.of(
                decoder,
                model.tuned(),
                clipping(mechanism.clipRule()),
                mechanism.clipNorm(),
                tuning.gridBits(),
                arena),
        arena ->
            ExampleGradients.of(
                decoder,
                model.tuned(),
                execution.groupRows(),
                execution.groupExamples(),
                execution.recompute(),
                arena),
        state,
        tuning.optimizer(),
        decoder.maxPositions());
  }

  /**
   * Training of a model of labels, with all memory that a step takes.
   *
   * @param state where training starts; its parameters are trained
   * @param gridBits the clip norm is 2^gridBits grid steps
   */
  static PrivateTraining of(
      LabelModel model,
      TrainingState state,
      MechanismSpec mechanism,
      OptimizerSpec optimizer,
      int gridBits,
      ExecutionSpec execution) {
    return of(
        model.kernels(),
        mechanism,
        execution,
        arena ->
            ClippedSum.of(
                model, clipping(mechanism.clipRule()), mechanism.clipNorm(), gridBits, arena),
        arena ->
            ExampleGradients.of(model, execution.groupRows(), execution.groupExamples(), arena),
        state,
        optimizer,
        model.maxPositions());
  }

  /**
   * @param longest rows of the longest example
   */
  private static PrivateTraining of(
      Kernels kernels,
      MechanismSpec mechanism,
      ExecutionSpec execution,
      Function<TensorArena, ClippedSum> sum,
      Function<TensorArena, ExampleGradients> gradients,
      TrainingState state,
      OptimizerSpec optimizer,
      int longest) {
    PrivateTraining training =
        new PrivateTraining(
            kernels,
            mechanism,
            execution.workers(),
            sum,
            gradients,
            new Update() {
              @Override
              public void apply(Tensor sums, long first, double scale, long step) {
                state.update(sums, first, scale, settings(step));
              }

              @Override
              public void clipNext(double clipNorm) {
                state.clipNorm = OptionalDouble.of(clipNorm);
              }

              @Override
              public void end(Workers workers, Tensor sums, double scale, long step) {
                state.end(workers, sums, scale, settings(step));
              }

              private Optimizer.Settings settings(long step) {
                return optimizer.at(step, mechanism.steps());
              }
            });
    try {
      training.sum.clipTo(state.clipNorm(mechanism));
      training.gradient.rehearse(Math.min(execution.groupRows(), longest));
    } catch (RuntimeException e) {
      training.close();
      throw e;
    }
    return training;
  }

  /** What the rule does to an example's gradient. */
  private static Clipping clipping(ClipRule rule) {
    return switch (rule) {
      case ClipRule.Flat _, ClipRule.Quantile _ -> new Clipping.Flat();
      case ClipRule.PerLayer _ -> new Clipping.PerLayer();
      case ClipRule.Automatic automatic -> new Clipping.Automatic(automatic.gamma());
    };
  }

  /**
   * Makes the steps {@code firstStep .. mechanism.steps()}.
   *
   * @param examples all records; only the drawn ones are looked at
   * @param run the ledger's run that pays; it has as many steps as are made here
   * @param key the run's key, new in this process; each step has the next of its chain
   * @param firstStep the first step, from 1; earlier ones were paid for by earlier runs
   * @param save called after each update, when the step's key is gone: keeps the state
   * @param progress told the number of each finished step
   */
  void run(
      List<Example> examples,
      Ledger.Run run,
      SecretKey key,
      long firstStep,
      Runnable save,
      LongConsumer progress) {
    PoissonSampler sampler = new PoissonSampler(key, mechanism);
    NoisyUpdate noisy = new NoisyUpdate(kernels, workers, key);
    NoiseStream countNoise = new NoiseStream(key, Purpose.CLIP_COUNT);
    for (long step = firstStep; step <= mechanism.steps(); step++) {
      run.step(step);
      List<Example> batch = new ArrayList<>();
      for (int i : sampler.draw(step, examples.size())) {
        batch.add(examples.get(i));
      }
      gradient.accumulate(batch, step);
      addNoiseAndUpdate(noisy, step, nextClipNorm(countNoise, step));
      key.advance(step);
      save.run();
      progress.accept(step);
    }
  }

  /**
   * C of the next step: by the quantile rule a function of this one's noisy count, else the same.
   */
  private double nextClipNorm(NoiseStream noise, long step) {
    if (!(mechanism.clipRule() instanceof ClipRule.Quantile rule)) {
      return sum.clipNorm();
    }
    long balance = sum.balance();
    if (!mechanism.nonPrivate()) {
      balance += noise.exact(0, step, rule.balanceNoise());
    }
    return rule.next(sum.clipNorm(), balance, mechanism.expectedBatch());
  }

  /** Rounded Gaussian integers of standard deviation sigma C, and the update. */
  private void addNoiseAndUpdate(NoisyUpdate noisy, long step, double nextClipNorm) {
    double sigma = mechanism.nonPrivate() ? 0 : mechanism.sumNoiseMultiplier() * sum.sensitivity();
    double scale = sum.gridStep() / mechanism.expectedBatch();
    noisy.run(sum.sums(), sigma, step, (sums, first) -> update.apply(sums, first, scale, step));
    update.clipNext(nextClipNorm);
    update.end(workers, sum.sums(), scale, step);
    sum.clipTo(nextClipNorm);
  }

  @Override
  public void close() {
    workers.close();
    gradient.close();
    arena.close();
  }
}
