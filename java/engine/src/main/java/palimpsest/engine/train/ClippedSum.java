package palimpsest.engine.train;

import palimpsest.engine.kernel.Clip;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The sum of clipped per-example gradients as exact integers: the only way into a private update.
 * However an example's gradient was computed, what enters has an L2 norm of at most {@code
 * 2^gridBits} grid steps, that is {@link #clipNorm}, exactly ({@code docs/privacy.md}, "Verified
 * clipping"). Integers add in any order to the same bits, so workers and micro-batches do not
 * matter.
 */
public abstract sealed class ClippedSum permits VectorSum, ProductSum {
  /** Keeps a float norm's rounding from causing repairs: the factor is this much below C / norm. */
  private static final double MARGIN = 1e-6;

  private final Clipping clipping;
  private final int gridBits;
  private final int groupBound;
  private double clipNorm;
  private long balance;
  private long repaired;
  private long dropped;

  /**
   * @param groups of parameters that are clipped each by itself: 1 unless by layer
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   */
  ClippedSum(Clipping clipping, int groups, double clipNorm, int gridBits) {
    requireNorm(clipNorm);
    if (gridBits < 1 || gridBits > 24) {
      throw new IllegalArgumentException("the grid must have 1 to 24 bits, not " + gridBits);
    }
    this.clipping = clipping;
    this.clipNorm = clipNorm;
    this.gridBits = gridBits;
    groupBound = Clip.groupBound(gridBits, groups);
  }

  private static void requireNorm(double clipNorm) {
    if (!(clipNorm > 0) || Double.isInfinite(clipNorm)) {
      throw new IllegalArgumentException(
          "the clip norm must be positive and finite, not " + clipNorm);
    }
  }

  /** An empty sum for the gradients of what a decoder is tuned by, clipped as a whole. */
  public static ClippedSum of(
      Decoder decoder, Trainable tuned, double clipNorm, int gridBits, TensorArena arena) {
    return of(decoder, tuned, new Clipping.Flat(), clipNorm, gridBits, arena);
  }

  /**
   * An empty sum for the gradients of what a decoder is tuned by.
   *
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  public static ClippedSum of(
      Decoder decoder,
      Trainable tuned,
      Clipping clipping,
      double clipNorm,
      int gridBits,
      TensorArena arena) {
    boolean byLayer = clipping instanceof Clipping.PerLayer;
    return switch (tuned) {
      case Adapter _, SoftPrompt _, BiasVectors _ ->
          new VectorSum(
              decoder.kernels(),
              clipping,
              byLayer ? ClipGroups.of(tuned) : ClipGroups.one(tuned.size()),
              clipNorm,
              gridBits,
              arena);
      case AllWeights weights ->
          new ProductSum(weights.layout(), clipping, clipNorm, gridBits, arena);
    };
  }

  /**
   * An empty sum for the gradients of a model of labels.
   *
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   * @throws IllegalArgumentException if each layer is to be clipped by itself: there is no such
   *     rule for these models
   */
  public static ClippedSum of(
      LabelModel model, Clipping clipping, double clipNorm, int gridBits, TensorArena arena) {
    if (clipping instanceof Clipping.PerLayer) {
      throw new IllegalArgumentException("a classifier's gradient is clipped as a whole");
    }
    return new VectorSum(
        model.kernels(), clipping, ClipGroups.one(model.size()), clipNorm, gridBits, arena);
  }

  /**
   * Grid steps a unit of an example's gradient, or of a group of it: what brings its norm to the
   * bound, by the rule, and a little less. A norm of 0 gives as if it were small; one that is not
   * finite NaN, which drops the example or group.
   */
  final double factor(double normSquared) {
    // Of differences of products, so it may come out a little below 0; NaN stays.
    double norm = Math.sqrt(Math.max(0, normSquared));
    double bound = clipNorm * ((double) groupBound / (1L << gridBits));
    double share = norm * 0 == 0 ? clipping.share(norm, bound) : Double.NaN;
    return share * (1 - MARGIN) * ((1L << gridBits) / clipNorm);
  }

  final Clipping clipping() {
    return clipping;
  }

  /**
   * Grid steps that the integers of a group have a norm of at most: all 2^gridBits of one group.
   */
  final int groupBound() {
    return groupBound;
  }

  /**
   * What a further worker adds to before {@link #merge}: an empty sum of its own, or this one where
   * workers share it.
   *
   * @param arena holds what is new
   */
  abstract ClippedSum forWorker(TensorArena arena);

  /**
   * Adds a worker's sum.
   *
   * @param worker made by {@link #forWorker}
   */
  abstract void merge(ClippedSum worker);

  /** Back to zero. */
  public synchronized void clear() {
    sumsInMemory().data().fill((byte) 0);
    balance = 0;
    repaired = 0;
    dropped = 0;
  }

  /**
   * Back to zero, and to another C from here on. A grid step is another then, and the sensitivity
   * in grid steps is the same.
   */
  public final synchronized void clipTo(double clipNorm) {
    requireNorm(clipNorm);
    clear();
    this.clipNorm = clipNorm;
  }

  /** Counts an example by the float norm of its whole gradient. */
  final synchronized void countNorm(double normSquared) {
    balance += Math.sqrt(Math.max(0, normSquared)) <= clipNorm ? 1 : -1;
  }

  /** Adds what a worker counted. */
  final synchronized void mergeCounts(ClippedSum worker) {
    balance += worker.balance();
    repaired += worker.repaired();
    dropped += worker.dropped();
  }

  /**
   * The examples whose gradient has a norm of at most C, less those that have a larger one or none:
   * an integer of sensitivity 1 to adding or removing one example. It is private until noise is
   * added to it.
   */
  public final synchronized long balance() {
    return balance;
  }

  /** The integers, whatever state they are in. */
  abstract Tensor sumsInMemory();

  /**
   * The integers, I64 [P] or modulo 2^32 I32 [P]. They are private until noise is added to them.
   *
   * @throws IllegalStateException if an example is in that was not verified
   */
  public Tensor sums() {
    return sumsInMemory();
  }

  /** C. */
  public final synchronized double clipNorm() {
    return clipNorm;
  }

  /** Log2 of C in grid steps. */
  public final int gridBits() {
    return gridBits;
  }

  /** One grid step, in units of the gradient. */
  public final double gridStep() {
    return clipNorm() / (1L << gridBits);
  }

  /** L2 sensitivity of {@link #sums} to adding or removing one example, in grid steps. */
  public final double sensitivity() {
    return 1L << gridBits;
  }

  final synchronized void countRepaired(long more) {
    repaired += more;
  }

  final synchronized void countDropped(long more) {
    dropped += more;
  }

  /**
   * How many examples, or groups of one, entered shrunk, because the float norm was wrong. Private:
   * for tests only.
   */
  final synchronized long repaired() {
    return repaired;
  }

  /**
   * How many examples, or groups of one, contributed nothing, because their gradient was not
   * finite. Private: for tests only.
   */
  final synchronized long dropped() {
    return dropped;
  }
}
