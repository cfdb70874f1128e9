package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Liveness.Moment;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Every buffer that a pass of at most {@code maxRows} rows through a decoder uses, planned once by
 * a {@link Liveness} table: a pass allocates nothing. What the backward pass reads exists once a
 * layer, unless it is computed again; the rest is shared by all layers, and buffers that are never
 * alive together have the same memory.
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

    /**
     * The buffers of a model's block.
     *
     * @param rank of the low-rank products that are kept, 0 for none
     */
    static Block of(ModelConfig config, Kernels kernels, int rank, Buffers buffers) {
      DType wide = kernels.wide();
      DType compute = kernels.compute();
      DecoderConfig.AttentionOptions attention = config.attention();
      long width = config.width();
      long queries = attention.queryWidth();
      long keys = attention.keyWidth();
      long hidden = config.feedForward().width();
      Block block = new Block();
      block.up = buffers.make("up", Moment.UP, Moment.ACTIVATION, Moment.D_UP, compute, hidden);
      block.gate =
          config.feedForward().activation().gated()
              ? buffers.make("gate", Moment.UP, Moment.ACTIVATION, Moment.D_UP, compute, hidden)
              : null;
      block.active =
          buffers.make("active", Moment.ACTIVATION, Moment.DOWN, Moment.D_DOWN, compute, hidden);
      block.qkv =
          buffers.make(
              "qkv",
              Moment.PROJECTION,
              Moment.ATTENTION,
              Moment.D_ATTENTION,
              compute,
              queries + 2 * keys);
      block.query = block.qkv.columns(0, queries);
      block.key = block.qkv.columns(queries, keys);
      block.value = block.qkv.columns(queries + keys, keys);
      block.middle =
          buffers.make(
              "middle",
              Moment.ATTENTION_OUTPUT,
              Moment.FEED_FORWARD_NORM,
              Moment.D_FEED_FORWARD_NORM,
              wide,
              width);
      block.normed =
          buffers.make(
              "normed",
              Moment.ATTENTION_NORM,
              Moment.PROJECTION,
              Moment.D_PROJECTION,
              compute,
              width);
      block.normedMiddle =
          buffers.make(
              "normedMiddle", Moment.FEED_FORWARD_NORM, Moment.UP, Moment.D_UP, compute, width);
      block.attended =
          buffers.make(
              "attended",
              Moment.ATTENTION,
              Moment.ATTENTION_OUTPUT,
              Moment.D_ATTENTION,
              compute,
              queries);
      block.lse =
          buffers.make(
              "lse",
              Moment.ATTENTION,
              Moment.ATTENTION,
              Moment.D_ATTENTION,
              wide,
              attention.heads());
      block.mean = statistic(buffers, "mean", Moment.ATTENTION_NORM, Moment.D_ATTENTION_NORM, wide);
      block.rstd = statistic(buffers, "rstd", Moment.ATTENTION_NORM, Moment.D_ATTENTION_NORM, wide);
      block.meanMiddle =
          statistic(
              buffers, "meanMiddle", Moment.FEED_FORWARD_NORM, Moment.D_FEED_FORWARD_NORM, wide);
      block.rstdMiddle =
          statistic(
              buffers, "rstdMiddle", Moment.FEED_FORWARD_NORM, Moment.D_FEED_FORWARD_NORM, wide);
      if (rank > 0) {
        for (Role role : Adapter.linearRoles(config)) {
          block.low.put(
              role,
              buffers.make(
                  "low", Moment.PROJECTION, Moment.DOWN, Moment.D_PROJECTION, compute, rank));
        }
      }
      return block;
    }

    private static Tensor statistic(
        Buffers buffers, String name, Moment forward, Moment backward, DType wide) {
      Tensor column = buffers.make(name, forward, forward, backward, wide, 1);
      return column.reshape(column.rows());
    }
  }

  /** Where a block's buffers come from. */
  @FunctionalInterface
  interface Buffers {
    /**
     * A buffer with a row for each token.
     *
     * @param lastForward when the forward pass reads it last
     * @param lastBackward when the backward pass does
     */
    Tensor make(
        String name, Moment from, Moment lastForward, Moment lastBackward, DType type, long cols);
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

  private final DecoderConfig config;
  private final int maxRows;
  private final int rank;
  private final Purpose purpose;
  private final DType wide;
  private final DType compute;
  private final Liveness table;
  final List<Block> blocks = new ArrayList<>();
  private final List<Tensor> inputs = new ArrayList<>();
  final Tensor residual;

  /** Null without rotary positions. */
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

  /** Buffers of the backward pass alone. */
  static final class Backward {
    Tensor dx;
    Tensor dDown;
    Tensor dAttentionOutput;
    Tensor dHead;
    Tensor dHeadInput;
    Tensor dNormedMiddle;
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
    this.config = config;
    this.maxRows = maxRows;
    this.rank = rank;
    this.purpose = purpose;
    wide = kernels.wide();
    compute = kernels.compute();
    table = new Liveness(arena);
    long width = config.width();
    boolean withBackward = purpose != Purpose.FORWARD;
    // Padding keeps rows of a large vocabulary from falling into the same cache sets.
    logits =
        table.buffer(
            "logits",
            Moment.HEAD,
            withBackward ? Moment.D_HEAD : Moment.AFTER,
            wide,
            Math.min(HEAD_ROWS, maxHeadRows),
            config.vocabularySize() + HEAD_PADDING);
    dLogits =
        keepsOutputGradients()
            ? table.kept("dLogits", compute, maxHeadRows, config.vocabularySize())
            : null;
    boolean ownBlocks = withBackward && !recomputes();
    for (int layer = 0; layer < config.layers(); layer++) {
      boolean first = layer == 0;
      inputs.add(first || withBackward ? input() : inputs.getFirst());
      blocks.add(
          first || ownBlocks ? Block.of(config, kernels, rank, this::ofBlock) : blocks.getFirst());
    }
    residual =
        table.buffer("residual", Moment.EMBEDDING, lastUseOfResidual(), wide, maxRows, width);
    wideQuery = rotated("wideQuery", config.attention().queryWidth());
    wideKey = rotated("wideKey", config.attention().keyWidth());
    Moment headEnd = withBackward ? Moment.D_HEAD : Moment.HEAD;
    headInput = table.buffer("headInput", Moment.HEAD, headEnd, wide, maxHeadRows, width);
    headNormed =
        table.buffer(
            "headNormed",
            Moment.HEAD,
            keepsOutputGradients() ? Moment.AFTER : headEnd,
            compute,
            maxHeadRows,
            width);
    headMean = table.buffer("headMean", Moment.HEAD, headEnd, wide, maxHeadRows);
    headRstd = table.buffer("headRstd", Moment.HEAD, headEnd, wide, maxHeadRows);
    headLse = table.buffer("headLse", Moment.HEAD, headEnd, wide, maxHeadRows);
    nll = afterHead("nll", Moment.HEAD, wide, maxHeadRows);
    backward = withBackward ? backward(maxHeadRows) : null;
  }

  private Tensor input() {
    return purpose == Purpose.FORWARD
        ? table.buffer(
            "input", Moment.ATTENTION_NORM, Moment.ATTENTION_NORM, wide, maxRows, config.width())
        : table.kept("input", wide, maxRows, config.width());
  }

  /**
   * Who computes a block again does it there; who keeps output gradients puts that of the last
   * block there.
   */
  private Moment lastUseOfResidual() {
    return recomputes() || keepsOutputGradients() ? Moment.AFTER : Moment.HEAD;
  }

  /**
   * What is read after the output layer, to the end: where blocks are computed again, their buffers
   * are written meanwhile.
   */
  private Tensor afterHead(String name, Moment from, DType type, long... shape) {
    return recomputes()
        ? table.kept(name, type, shape)
        : table.buffer(name, from, Moment.AFTER, type, shape);
  }

  /** Queries and keys before their rotation. */
  private Tensor rotated(String name, long width) {
    return config.position().kind() == DecoderConfig.PositionKind.ROPE
        ? table.buffer(name, Moment.PROJECTION, Moment.ROTATION, wide, maxRows, width)
        : null;
  }

  /**
   * What belongs to a block, [maxRows, cols].
   *
   * @param lastForward when the forward pass reads it last
   * @param lastBackward when the backward pass does
   */
  private Tensor ofBlock(
      String name, Moment from, Moment lastForward, Moment lastBackward, DType type, long cols) {
    return switch (purpose) {
      case FORWARD -> table.buffer(name, from, lastForward, type, maxRows, cols);
      case RECOMPUTE -> table.buffer(name, from, lastBackward, type, maxRows, cols);
      case BACKWARD, BOOK_KEEPING -> table.kept(name, type, maxRows, cols);
    };
  }

  private Backward backward(int maxHeadRows) {
    DecoderConfig.AttentionOptions attention = config.attention();
    long width = config.width();
    long queries = attention.queryWidth();
    long keys = attention.keyWidth();
    boolean rope = wideQuery != null;
    Backward b = new Backward();
    b.dx = afterHead("dx", Moment.D_HEAD, wide, maxRows, width);
    b.dHeadInput =
        table.buffer("dHeadInput", Moment.D_HEAD, Moment.D_HEAD, wide, maxHeadRows, width);
    b.dHead =
        table.buffer(
            "dHead", Moment.D_HEAD, Moment.D_HEAD, wide, Math.min(HEAD_ROWS, maxHeadRows), width);
    b.dActive =
        temporary(
            "dActive", Moment.D_DOWN, Moment.D_ACTIVATION, wide, config.feedForward().width());
    b.dNormedMiddle =
        temporary("dNormedMiddle", Moment.D_UP, Moment.D_FEED_FORWARD_NORM, wide, width);
    b.dNormed = temporary("dNormed", Moment.D_PROJECTION, Moment.D_ATTENTION_NORM, wide, width);
    b.dAttended =
        temporary("dAttended", Moment.D_ATTENTION_OUTPUT, Moment.D_ATTENTION, wide, queries);
    if (!keepsOutputGradients()) {
      b.dDown = temporary("dDown", Moment.D_DOWN, Moment.D_DOWN, compute, width);
      b.dAttentionOutput =
          temporary(
              "dAttentionOutput",
              Moment.D_ATTENTION_OUTPUT,
              Moment.D_ATTENTION_OUTPUT,
              compute,
              width);
    }
    if (rope) {
      b.dQuery = temporary("dQuery", Moment.D_ATTENTION, Moment.D_ROTATION, wide, queries);
      b.dKey = temporary("dKey", Moment.D_ATTENTION, Moment.D_ROTATION, wide, keys);
      b.dValue = temporary("dValue", Moment.D_ATTENTION, Moment.D_ROTATION, wide, keys);
    }
    if (!rope || !keepsOutputGradients()) {
      b.dQkv =
          temporary("dQkv", Moment.D_ATTENTION, Moment.D_PROJECTION, compute, queries + 2 * keys);
      b.dQueryRounded = b.dQkv.columns(0, queries);
      b.dKeyRounded = b.dQkv.columns(queries, keys);
      b.dValueRounded = b.dQkv.columns(queries + keys, keys);
    }
    b.dLow = rank > 0 ? temporary("dLow", Moment.D_DOWN, Moment.D_PROJECTION, compute, rank) : null;
    return b;
  }

  /** What no block keeps, [maxRows, cols]. */
  private Tensor temporary(String name, Moment from, Moment to, DType type, long cols) {
    return table.buffer(name, from, to, type, maxRows, cols);
  }

  /** What a block reads of the residual stream, wide [maxRows, C]. */
  Tensor input(int layer) {
    return inputs.get(layer);
  }

  /** Whether the backward pass computes blocks again, whose buffers all blocks share. */
  boolean recomputes() {
    return purpose == Purpose.RECOMPUTE;
  }

  /** Whether output gradients outlive the backward pass. */
  boolean keepsOutputGradients() {
    return purpose == Purpose.BOOK_KEEPING;
  }

  /**
   * Where the gradient at the output of a layer's last product goes, compute [maxRows, C]: for
   * book-keeping the block above has just read its input for the last time.
   */
  Tensor dDown(int layer) {
    Tensor dead = layer + 1 < inputs.size() ? inputs.get(layer + 1) : residual;
    return keepsOutputGradients() ? inPlaceOf(dead) : backward.dDown;
  }

  /** Likewise for what attention adds to the stream: the second norm has read its input. */
  Tensor dAttentionOutput(int layer) {
    return keepsOutputGradients() ? inPlaceOf(blocks.get(layer).middle) : backward.dAttentionOutput;
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
    return Tensor.of(dead.data(), compute, dead.rows(), dead.cols());
  }

  /** Which buffer is alive when, and where it lies. */
  Liveness table() {
    return table;
  }

  /** Fills every buffer with NaN: a pass must not notice. */
  public void poison() {
    table.poison();
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
