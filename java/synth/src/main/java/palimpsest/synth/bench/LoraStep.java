package palimpsest.synth.bench;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.ExecutionSpec;

/**
 * One training step of adapters on random tokens, with privacy and without: the same examples in
 * the same groups on the same workers.
 */
public final class LoraStep implements AutoCloseable {
  /**
   * @param length T, tokens an example, all of which carry a loss
   * @param examples of a step
   * @param groupRows the most tokens a worker takes through the model at a time
   */
  public record Shape(int length, int examples, int rank, int workers, int groupRows) {
    public Shape {
      if (length < 1 || examples < 1 || rank < 1 || workers < 1 || groupRows < length) {
        throw new IllegalArgumentException(
            "a step needs a positive length, batch, rank and worker count, and groups that hold an"
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
  private static final Optimizer.AdamW ADAM = new Optimizer.AdamW(1e-4, 0.9, 0.99, 1e-8, 0);

  private final Shape shape;
  private final Kernels kernels;
  private final TensorArena arena = new TensorArena();
  private final SecretKey key = SecretKey.fromOperatingSystem();
  private final NoiseStream noise = new NoiseStream(key);
  private final Adapter adapter;
  private final ClippedSum sum;
  private final Tensor publicSum;
  private final Tensor firstMoment;
  private final Tensor secondMoment;
  private final BatchGradient gradient;
  private final List<Example> batch;
  private long step;

  public LoraStep(Decoder decoder, Shape shape) {
    this.shape = shape;
    kernels = decoder.kernels();
    DecoderConfig config = decoder.config();
    SplittableRandom random = new SplittableRandom(1);
    adapter =
        new Adapter(
            config, shape.rank, 2.0 * shape.rank, Adapter.linearRoles(config), kernels, arena);
    adapter.initialize(random);
    sum = emptySum();
    publicSum = arena.allocate(kernels.wide(), adapter.size());
    firstMoment = arena.allocate(kernels.wide(), adapter.size());
    secondMoment = arena.allocate(kernels.wide(), adapter.size());
    int groupExamples = ExecutionSpec.defaults().groupExamples();
    gradient =
        new BatchGradient(
            shape.workers,
            () -> ExampleGradients.of(decoder, adapter, shape.groupRows, groupExamples, arena),
            this::emptySum);
    batch = examples(config.vocabularySize(), random);
  }

  private ClippedSum emptySum() {
    return new ClippedSum(kernels, adapter.size(), CLIP_NORM, GRID_BITS, arena);
  }

  private List<Example> examples(int vocabulary, SplittableRandom random) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < shape.examples; i++) {
      examples.add(new Example(random.ints(shape.length + 1L, 0, vocabulary).toArray(), 0));
    }
    return examples;
  }

  /** Parameters that are trained. */
  public long size() {
    return adapter.size();
  }

  /** Clipped sum, noise, update: what a private run does between two payments. */
  public void privateStep() {
    step++;
    gradient.accumulate(batch, sum);
    Tensor sums = sum.sums();
    double sigma = NOISE_MULTIPLIER * sum.sensitivity();
    kernels
        .noise()
        .accumulate(
            sums,
            0,
            key.words(),
            step,
            sigma,
            e -> sums.setLong(e, sums.getLong(e) + noise.exact(e, step, sigma)));
    update();
  }

  /** The same step with neither clipping nor noise. */
  public void publicStep() {
    step++;
    gradient.accumulatePublic(batch, publicSum);
    toGrid();
    update();
  }

  /** The optimizer reads integers on the grid, whoever wrote them. */
  private void toGrid() {
    MemorySegment to = sum.sums().data();
    double scale = 1 / sum.gridStep();
    if (publicSum.type() == DType.F32) {
      MemorySegment from = publicSum.data();
      for (long i = 0; i < publicSum.size(); i++) {
        to.setAtIndex(JAVA_LONG, i, (long) (from.getAtIndex(JAVA_FLOAT, i) * scale));
      }
    } else {
      for (long i = 0; i < publicSum.size(); i++) {
        to.setAtIndex(JAVA_LONG, i, (long) (publicSum.get(i) * scale));
      }
    }
  }

  private void update() {
    kernels
        .optimizer()
        .update(
            sum.sums(),
            sum.gridStep() / shape.examples,
            ADAM,
            step,
            adapter.parameters(),
            firstMoment,
            secondMoment);
    adapter.pack();
  }

  @Override
  public void close() {
    gradient.close();
    key.close();
    arena.close();
  }
}
