package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.train.OptimizerState;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.NoisyUpdate;

/**
 * One training step on random tokens, with privacy and without: the same examples in the same
 * groups on the same workers. What only one of the two needs comes into being when it first runs,
 * so that the peak memory of either can be seen.
 */
public final class TuningStep implements AutoCloseable {
  /**
   * @param length T, tokens an example, all of which carry a loss
   * @param examples of a step
   * @param optimizer what moves the parameters
   * @param groupRows the most tokens a worker takes through the model at a time, virtual ones of a
   *     soft prompt included
   * @param recompute computes activations again instead of keeping them
   */
  public record Shape(
      int length,
      int examples,
      TuningMethod method,
      Optimizer.Settings optimizer,
      int workers,
      int groupRows,
      boolean recompute) {
    public Shape {
      if (length < 1 || examples < 1 || workers < 1 || groupRows < length + method.promptTokens()) {
        throw new IllegalArgumentException(
            "a step needs a positive length, batch and worker count, and groups that hold an"
                + " example");
      }
    }

    long tokens() {
      return (long) length * examples;
    }
  }

  private static final double CLIP_NORM = 1;
  private static final int GRID_BITS = 20;
  private static final double NOISE_MULTIPLIER = 1;

  private final Shape shape;
  private final Decoder decoder;
  private final Kernels kernels;
  private final TensorArena arena = new TensorArena();
  private final SecretKey key = SecretKey.fromOperatingSystem();
  private final Workers workers;
  private final NoisyUpdate release;
  private final Trainable tuned;
  private final OptimizerState optimizer;
  private final List<ExampleGradients> gradients = new ArrayList<>();
  private final List<Example> batch;
  private BatchGradient clipped;
  private BatchGradient plain;
  private Tensor plainSum;
  private long step;

  /**
   * @param model begun with the shape's method; it is trained
   */
  public TuningStep(TunedDecoder model, Shape shape) {
    this.shape = shape;
    decoder = model.decoder();
    tuned = model.tuned();
    kernels = decoder.kernels();
    workers = new Workers(shape.workers, "palimpsest-step");
    release = new NoisyUpdate(kernels, workers, key);
    optimizer =
        OptimizerState.of(shape.optimizer, shape.method.blocks(decoder.config()), kernels, arena);
    int groupExamples = ExecutionSpec.defaults().groupExamples();
    for (int i = 0; i < shape.workers; i++) {
      gradients.add(
          ExampleGradients.of(
              decoder, tuned, shape.groupRows, groupExamples, shape.recompute, arena));
    }
    batch = examples(decoder.config().vocabularySize());
  }

  private List<Example> examples(int vocabulary) {
    SplittableRandom random = new SplittableRandom(1);
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < shape.examples; i++) {
      examples.add(new Example(random.ints(shape.length + 1L, 0, vocabulary).toArray(), 0));
    }
    return examples;
  }

  /** Parameters that are trained. */
  public long size() {
    return tuned.size();
  }

  /** Clipped sum, noise, update: what a private run does between two payments. */
  public void privateStep() {
    step++;
    if (clipped == null) {
      clipped =
          BatchGradient.clipped(
              workers, gradients, ClippedSum.of(decoder, tuned, CLIP_NORM, GRID_BITS, arena));
    }
    clipped.accumulate(batch, step);
    ClippedSum sum = clipped.sum();
    update(sum.sums(), NOISE_MULTIPLIER * sum.sensitivity(), sum.gridStep());
  }

  /** The same step with neither clipping nor noise. */
  public void publicStep() {
    step++;
    if (plain == null) {
      plain = BatchGradient.plain(workers, gradients);
      plainSum = arena.allocate(kernels.wide(), tuned.size());
    }
    plain.accumulatePublic(batch, plainSum);
    update(plainSum, 0, 1);
  }

  private void update(Tensor sums, double sigma, double unit) {
    double scale = unit / shape.examples;
    release.run(
        sums,
        sigma,
        step,
        (piece, first) ->
            optimizer.update(piece, first, scale, shape.optimizer, step, tuned.parameters()));
    optimizer.end(workers, sums, scale, shape.optimizer, step, tuned.parameters());
    tuned.pack();
  }

  @Override
  public void close() {
    workers.close();
    if (clipped != null) {
      clipped.close();
    }
    key.close();
    arena.close();
  }
}
