package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations.Block;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Every buffer that a pass of at most {@code maxRows} rows in {@code maxExamples} examples through
 * an encoder uses, planned once: a pass allocates nothing. What the backward pass reads exists once
 * a layer; the rest is shared by all layers.
 *
 * <p>Nothing in here needs to be cleared between passes: every number that is read was written in
 * the same pass ({@link #poison}).
 */
public final class EncoderActivations {
  /**
   * What a block keeps: {@code normed} is its input as products read it, {@code middle} what its
   * first norm reads, with {@code mean} and {@code rstd}; {@code normedMiddle} what its
   * feed-forward part reads; {@code meanMiddle} and {@code rstdMiddle} are of its second norm.
   */
  final List<Block> blocks = new ArrayList<>();

  /** What each block's second norm reads, wide [maxRows, C]. */
  final List<Tensor> sums = new ArrayList<>();

  /** Wide [maxRows, C]: the result of the last norm so far. */
  final Tensor residual;

  /** Wide [maxExamples, C]: the mean of each example's rows. */
  final Tensor pooled;

  final Backward backward;
  private final TensorArena arena;
  private final List<Tensor> all = new ArrayList<>();

  /** Buffers of the backward pass alone. */
  static final class Backward {
    Tensor dx;
    Tensor dSum;
    Tensor dRounded;
    Tensor dActive;
    Tensor dAttended;
    Tensor dQuery;
    Tensor dKey;
    Tensor dValue;
    Tensor dLow;
  }

  /**
   * @param maxRows the most rows of a group
   * @param maxExamples the most examples of a group
   * @param rank of the low-rank products that are kept, 0 for none
   * @param withBackward whether there will be backward passes
   * @param arena holds everything
   */
  public EncoderActivations(
      EncoderConfig config,
      Kernels kernels,
      int maxRows,
      int maxExamples,
      int rank,
      boolean withBackward,
      TensorArena arena) {
    this.arena = arena;
    DType wide = kernels.wide();
    for (int layer = 0; layer < config.layers(); layer++) {
      boolean own = layer == 0 || withBackward;
      blocks.add(
          own
              ? Block.of(
                  config,
                  kernels,
                  rank,
                  (name, from, forward, back, type, cols) -> make(type, maxRows, cols))
              : blocks.getFirst());
      sums.add(own ? make(wide, maxRows, config.width()) : sums.getFirst());
    }
    residual = make(wide, maxRows, config.width());
    pooled = make(wide, maxExamples, config.width());
    backward = withBackward ? backward(config, kernels, maxRows, rank) : null;
  }

  private Backward backward(EncoderConfig config, Kernels kernels, int maxRows, int rank) {
    DType wide = kernels.wide();
    DType compute = kernels.compute();
    long width = config.width();
    long queries = config.attention().queryWidth();
    Backward b = new Backward();
    b.dx = make(wide, maxRows, width);
    b.dSum = make(wide, maxRows, width);
    b.dRounded = make(compute, maxRows, width);
    b.dActive = make(wide, maxRows, config.feedForward().width());
    b.dAttended = make(wide, maxRows, queries);
    b.dQuery = make(compute, maxRows, queries);
    b.dKey = make(compute, maxRows, queries);
    b.dValue = make(compute, maxRows, queries);
    b.dLow = rank > 0 ? make(compute, maxRows, rank) : null;
    return b;
  }

  private Tensor make(DType type, long... shape) {
    Tensor tensor = arena.allocate(type, shape);
    all.add(tensor);
    return tensor;
  }

  /** Fills every buffer with NaN: a pass must not notice. */
  public void poison() {
    all.forEach(tensor -> tensor.fill(Double.NaN));
  }
}
