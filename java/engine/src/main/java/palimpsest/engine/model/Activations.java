package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Every buffer that a pass of at most {@code maxRows} rows through a decoder uses, planned once: a
 * pass allocates nothing. What the backward pass reads exists once a layer, unless it is computed
 * again; the rest is shared by all layers.
 *
 * <p>Nothing in here needs to be cleared between passes: every number that is read was written in
 * the same pass. Tests fill all buffers with NaN to prove it ({@link #poison}).
 */
public final class Activations {
  /** What a block keeps for its backward pass. */
  static final class Block {
    Tensor normed;
    Tensor mean;
    Tensor rstd;
    Tensor qkv;
    Tensor query;
    Tensor key;
    Tensor value;
    Tensor attended;
    Tensor lse;
    Tensor middle;
    Tensor normedMiddle;
    Tensor meanMiddle;
    Tensor rstdMiddle;
    Tensor gate;
    Tensor up;
    Tensor active;
    final Map<Role, Tensor> low = new EnumMap<>(Role.class);
  }

  /** What the buffers are for. */
  public enum Purpose {
    /** Forward passes only. */
    FORWARD,
    /** Gradients that are used while a backward pass is at their place. */
    BACKWARD,
    /**
     * The same gradients, to the bit, in less memory and more time: of a block nothing is kept but
     * its input, from which the backward pass computes the rest again (Chen, Xu, Zhang and Guestrin
     * 2016).
     */
    RECOMPUTE,
    /**
     * Gradients that are used when the backward pass is over: the output gradient of every linear
     * layer is kept where a forward buffer has just died, and those of the logits in memory of
     * their own (book-keeping: Bu, Wang, Zha and Karypis 2023).
     */
    BOOK_KEEPING
  }

  /** Rows of the output layer computed at a time: their logits stay in the last-level cache. */
  public static final int HEAD_ROWS = 96;

  private static final int HEAD_PADDING = 64;

  final int maxRows;
  final List<Block> blocks = new ArrayList<>();
  private final List<Tensor> inputs = new ArrayList<>();
  private final boolean recomputes;
  final Tensor residual;
  final Tensor wideQuery;
  final Tensor wideKey;
  final Tensor headInput;
  final Tensor headNormed;
  final Tensor headMean;
  final Tensor headRstd;
  final Tensor logits;

  /** Compute [maxHeadRows, V] for book-keeping, else null. */
  final Tensor dLogits;

  final Tensor nll;
  final Tensor headLse;
  final Backward backward;
  private final List<Tensor> all = new ArrayList<>();
  private final TensorArena arena;

  /** Buffers of the backward pass alone. */
  static final class Backward {
    Tensor dx;
    Tensor dxRounded;
    Tensor dHead;
    Tensor dHeadInput;
    Tensor dNormed;
    Tensor dActive;
    Tensor dAttended;
    Tensor dQuery;
    Tensor dKey;
    Tensor dValue;
    Tensor dQueryRounded;
    Tensor dKeyRounded;
    Tensor dValueRounded;
    Tensor dQkv;
    Tensor dLow;
  }

  /**
   * @param maxRows the most rows of a group
   * @param maxHeadRows the most rows that need logits
   * @param rank of the low-rank products that are kept, 0 for none
   * @param purpose what is kept, and so how much memory it takes
   * @param arena holds everything
   */
  public Activations(
      DecoderConfig config,
      Kernels kernels,
      int maxRows,
      int maxHeadRows,
      int rank,
      Purpose purpose,
      TensorArena arena) {
    this.maxRows = maxRows;
    this.arena = arena;
    DType wide = kernels.wide();
    DType compute = kernels.compute();
    long width = config.width();
    DecoderConfig.AttentionOptions attention = config.attention();
    boolean rope = config.position().kind() == DecoderConfig.PositionKind.ROPE;
    boolean withBackward = purpose != Purpose.FORWARD;
    recomputes = purpose == Purpose.RECOMPUTE;
    for (int layer = 0; layer < config.layers(); layer++) {
      boolean first = layer == 0;
      boolean ownBlock = first || withBackward && !recomputes;
      inputs.add(first || withBackward ? make(wide, maxRows, width) : inputs.getFirst());
      blocks.add(ownBlock ? block(config, kernels, rank) : blocks.getFirst());
    }
    residual = make(wide, maxRows, width);
    wideQuery = rope ? make(wide, maxRows, attention.queryWidth()) : null;
    wideKey = rope ? make(wide, maxRows, attention.keyWidth()) : null;
    headInput = make(wide, maxHeadRows, width);
    headNormed = make(compute, maxHeadRows, width);
    headMean = make(wide, maxHeadRows);
    headRstd = make(wide, maxHeadRows);
    // Padding keeps rows of a large vocabulary from falling into the same cache sets.
    logits = make(wide, Math.min(HEAD_ROWS, maxHeadRows), config.vocabularySize() + HEAD_PADDING);
    dLogits =
        purpose == Purpose.BOOK_KEEPING
            ? make(compute, maxHeadRows, config.vocabularySize())
            : null;
    nll = make(wide, maxHeadRows);
    headLse = make(wide, maxHeadRows);
    backward = withBackward ? backward(config, kernels, maxHeadRows, rank, rope) : null;
  }

  private Block block(DecoderConfig config, Kernels kernels, int rank) {
    DType wide = kernels.wide();
    DType compute = kernels.compute();
    DecoderConfig.AttentionOptions attention = config.attention();
    long width = config.width();
    long queries = attention.queryWidth();
    long keys = attention.keyWidth();
    long hidden = config.feedForward().width();
    Block block = new Block();
    block.normed = make(compute, maxRows, width);
    block.mean = make(wide, maxRows);
    block.rstd = make(wide, maxRows);
    block.qkv = make(compute, maxRows, queries + 2 * keys);
    block.query = block.qkv.columns(0, queries);
    block.key = block.qkv.columns(queries, keys);
    block.value = block.qkv.columns(queries + keys, keys);
    block.attended = make(compute, maxRows, queries);
    block.lse = make(wide, maxRows, attention.heads());
    block.middle = make(wide, maxRows, width);
    block.normedMiddle = make(compute, maxRows, width);
    block.meanMiddle = make(wide, maxRows);
    block.rstdMiddle = make(wide, maxRows);
    block.gate = config.feedForward().activation().gated() ? make(compute, maxRows, hidden) : null;
    block.up = make(compute, maxRows, hidden);
    block.active = make(compute, maxRows, hidden);
    if (rank > 0) {
      for (Role role : Adapter.linearRoles(config)) {
        block.low.put(role, make(compute, maxRows, rank));
      }
    }
    return block;
  }

  private Backward backward(
      DecoderConfig config, Kernels kernels, int maxHeadRows, int rank, boolean rope) {
    DType wide = kernels.wide();
    DType compute = kernels.compute();
    DecoderConfig.AttentionOptions attention = config.attention();
    long width = config.width();
    long queries = attention.queryWidth();
    long keys = attention.keyWidth();
    Backward b = new Backward();
    b.dx = make(wide, maxRows, width);
    b.dxRounded = keepsOutputGradients() ? null : make(compute, maxRows, width);
    b.dHead = make(wide, Math.min(HEAD_ROWS, maxHeadRows), width);
    b.dHeadInput = make(wide, maxHeadRows, width);
    b.dNormed = make(wide, maxRows, width);
    b.dActive = make(wide, maxRows, config.feedForward().width());
    b.dAttended = make(wide, maxRows, queries);
    if (rope) {
      b.dQuery = make(wide, maxRows, queries);
      b.dKey = make(wide, maxRows, keys);
      b.dValue = make(wide, maxRows, keys);
    }
    if (!rope || !keepsOutputGradients()) {
      b.dQkv = make(compute, maxRows, queries + 2 * keys);
      b.dQueryRounded = b.dQkv.columns(0, queries);
      b.dKeyRounded = b.dQkv.columns(queries, keys);
      b.dValueRounded = b.dQkv.columns(queries + keys, keys);
    }
    b.dLow = rank > 0 ? make(compute, maxRows, rank) : null;
    return b;
  }

  /** What a block reads of the residual stream, wide [maxRows, C]. */
  Tensor input(int layer) {
    return inputs.get(layer);
  }

  /** Whether the backward pass computes blocks again, whose buffers all blocks share. */
  boolean recomputes() {
    return recomputes;
  }

  /** Whether output gradients outlive the backward pass. */
  boolean keepsOutputGradients() {
    return dLogits != null;
  }

  /**
   * Where the gradient at the output of a layer's last product goes, compute [maxRows, C]: for
   * book-keeping the block above has just read its input for the last time.
   */
  Tensor dDown(int layer) {
    Tensor dead = layer + 1 < inputs.size() ? inputs.get(layer + 1) : residual;
    return keepsOutputGradients() ? inPlaceOf(dead) : backward.dxRounded;
  }

  /** Likewise for what attention adds to the stream: the second norm has read its input. */
  Tensor dAttentionOutput(int layer) {
    return keepsOutputGradients() ? inPlaceOf(blocks.get(layer).middle) : backward.dxRounded;
  }

  /** Likewise for queries, keys and values, which attention has read. */
  Tensor dQuery(int layer) {
    return keepsOutputGradients() ? blocks.get(layer).query : backward.dQueryRounded;
  }

  Tensor dKey(int layer) {
    return keepsOutputGradients() ? blocks.get(layer).key : backward.dKeyRounded;
  }

  Tensor dValue(int layer) {
    return keepsOutputGradients() ? blocks.get(layer).value : backward.dValueRounded;
  }

  /** The three side by side, where one product makes them. */
  Tensor dQkv(int layer) {
    return keepsOutputGradients() ? blocks.get(layer).qkv : backward.dQkv;
  }

  private Tensor inPlaceOf(Tensor dead) {
    return Tensor.of(dead.data(), blocks.getFirst().normed.type(), dead.rows(), dead.cols());
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

  /**
   * Sum of weight times loss over the group of the last pass. A private figure in a private run.
   */
  public double loss(TokenGroup group) {
    double sum = 0;
    for (int i = 0; i < group.weightedRows(); i++) {
      sum += group.headWeights(i, 1).get(0) * nll(i);
    }
    return sum;
  }

  /**
   * Loss of the i-th weighted row of the last pass: minus the log-probability of its target. A
   * private figure in a private run.
   */
  public double nll(int i) {
    return nll.get(i);
  }
}
