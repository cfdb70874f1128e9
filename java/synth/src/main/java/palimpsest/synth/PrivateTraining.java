package palimpsest.synth;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.LongConsumer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PoissonSampler;
import palimpsest.privacy.SecretKey;

/**
 * The one owner of the private step: it draws the batch, sums the clipped gradients, adds the
 * noise, updates, and has paid the ledger before. Nothing else in the program touches private
 * gradients.
 *
 * <p>A step is: pay; draw a Poisson subset of whole examples; clip each example's gradient into
 * integers of norm at most C and sum them; add rounded Gaussian integers of standard deviation
 * sigma C; divide by the fixed expected batch; update. An empty draw is a step like any other
 * (DP-SGD, Abadi et al. 2016, with the integer mechanism of docs/privacy.md).
 */
final class PrivateTraining implements AutoCloseable {
  /** What is made of a noisy sum: post-processing, whatever it does. */
  @FunctionalInterface
  interface Update {
    /**
     * @param sums I64 [P]: clipped gradients and noise, in grid steps
     * @param scale turns a sum into an average gradient
     * @param step from 1
     */
    void apply(Tensor sums, double scale, long step);
  }

  private final Kernels kernels;
  private final MechanismSpec mechanism;
  private final int gridBits;
  private final Update update;
  private final TensorArena arena = new TensorArena();
  private final ClippedSum sum;
  private final BatchGradient gradient;

  /**
   * @param mechanism all planned steps, including those of earlier runs that are resumed
   * @param gridBits C is 2^gridBits grid steps
   * @param size P, the number of trained parameters
   * @param gradients makes a worker's buffers
   * @param update gets the noisy sum of each step
   */
  PrivateTraining(
      Kernels kernels,
      MechanismSpec mechanism,
      int gridBits,
      long size,
      int workers,
      Function<TensorArena, ExampleGradients> gradients,
      Update update) {
    this.kernels = kernels;
    this.mechanism = mechanism;
    this.gridBits = gridBits;
    this.update = update;
    sum = emptySum(size);
    gradient = new BatchGradient(workers, () -> gradients.apply(arena), () -> emptySum(size));
  }

  /**
   * Training of what a model is tuned by.
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
    return new PrivateTraining(
        decoder.kernels(),
        mechanism,
        tuning.gridBits(),
        state.tuned.size(),
        execution.workers(),
        arena ->
            ExampleGradients.of(
                decoder, state.tuned, execution.groupRows(), execution.groupExamples(), arena),
        (sums, scale, step) ->
            state.update(
                decoder.kernels(), sums, scale, tuning.optimizer(step, mechanism.steps())));
  }

  private ClippedSum emptySum(long size) {
    return new ClippedSum(kernels, size, mechanism.clipNorm(), gridBits, arena);
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
    NoiseStream noise = new NoiseStream(key);
    for (long step = firstStep; step <= mechanism.steps(); step++) {
      run.step(step);
      List<Example> batch = new ArrayList<>();
      for (int i : sampler.draw(step, examples.size())) {
        batch.add(examples.get(i));
      }
      gradient.accumulate(batch, sum);
      if (!mechanism.nonPrivate()) {
        addNoise(noise, key, step);
      }
      update(step);
      key.advance(step);
      save.run();
      progress.accept(step);
    }
  }

  /**
   * Rounded Gaussian integers of standard deviation sigma C, by the kernel where it can round
   * surely and exactly elsewhere.
   */
  private void addNoise(NoiseStream noise, SecretKey key, long step) {
    Tensor sums = sum.sums();
    double sigma = mechanism.noiseMultiplier() * sum.sensitivity();
    kernels
        .noise()
        .accumulate(
            sums,
            0,
            key.words(),
            step,
            sigma,
            e -> sums.setLong(e, sums.getLong(e) + noise.exact(e, step, sigma)));
  }

  private void update(long step) {
    double scale = sum.gridStep() / mechanism.expectedBatch();
    update.apply(sum.sums(), scale, step);
    sum.clear();
  }

  @Override
  public void close() {
    gradient.close();
    arena.close();
  }
}
