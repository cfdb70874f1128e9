package palimpsest.engine.model;

import palimpsest.engine.kernel.Attention;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.model.Activations.Block;
import palimpsest.engine.model.DecoderWeights.Norm;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * An encoder of the BERT family (Devlin et al. 2019) on any kernel provider: every token of a text
 * sees every other, and a text's vector is the mean over all of its tokens (Reimers and Gurevych
 * 2019). Forward and backward over a group of whole examples, whose last token, the target of the
 * last row, is not read. Shared by all workers: it holds weights only, a pass writes into its
 * caller's {@link EncoderActivations}.
 */
public final class Encoder implements AutoCloseable {
  private final EncoderConfig config;
  private final Kernels kernels;
  private final TensorArena arena = new TensorArena();
  private final EncoderWeights weights;
  private final Attention.Shape shape;
  private final int maxPositions;

  /**
   * Packs the weights of a model folder, which may be closed afterwards.
   *
   * @param backward whether there will be backward passes
   * @param maxPositions the longest text, at most the model's context
   */
  public Encoder(EncoderFolder folder, Kernels kernels, boolean backward, int maxPositions) {
    this.config = folder.config();
    this.kernels = kernels;
    this.maxPositions = maxPositions;
    if (maxPositions < 1 || maxPositions > config.contextLength()) {
      throw new IllegalArgumentException(
          "a length of "
              + maxPositions
              + " tokens is not within this model's context of "
              + config.contextLength());
    }
    shape = Attention.Shape.bidirectional(config.attention().heads(), config.attention().scale());
    weights = new EncoderWeights(folder, kernels, backward, arena);
  }

  public EncoderConfig config() {
    return config;
  }

  public Kernels kernels() {
    return kernels;
  }

  /** The longest text this encoder takes. */
  public int maxPositions() {
    return maxPositions;
  }

  /** Bytes of packed weights. */
  public long bytes() {
    return arena.bytes();
  }

  /**
   * Vectors of unit length, one a text, for comparison by their inner products.
   *
   * @param group texts, each with any last token
   * @param out wide [E, C]; a text without tokens has a vector of zeros
   */
  public void embed(TokenGroup group, EncoderActivations a, Tensor out) {
    forward(group, null, a);
    for (int e = 0; e < group.examples(); e++) {
      double square = 0;
      for (long i = 0; i < out.cols(); i++) {
        square += a.pooled.get(e, i) * a.pooled.get(e, i);
      }
      double scale = square == 0 ? 0 : 1 / Math.sqrt(square);
      for (long i = 0; i < out.cols(); i++) {
        out.set(e, i, scale * a.pooled.get(e, i));
      }
    }
  }

  /**
   * The mean over each example's rows is left in the activations.
   *
   * @param tuned adapters of this model, or null
   */
  void forward(TokenGroup group, AdapterSites tuned, EncoderActivations a) {
    int rows = group.rows();
    Block first = a.blocks.getFirst();
    // The first block has not written these yet.
    Tensor embedded = rows(a.sums.getFirst(), rows);
    kernels
        .embedding()
        .forward(group.ids(), group.positions(), weights.embedding, weights.positions, 1, embedded);
    Tensor x = rows(a.residual, rows);
    norm(weights.embeddingNorm, embedded, x, first.mean, first.rstd);
    for (int layer = 0; layer < config.layers(); layer++) {
      attention(layer, x, group.spans(), tuned, a);
      feedForward(layer, x, tuned, a);
    }
    kernels.pooling().forward(x, group.spans(), rows(a.pooled, group.examples()));
  }

  /** From a block's input to what its feed-forward part reads, in place. */
  private void attention(
      int layer, Tensor x, Spans spans, AdapterSites tuned, EncoderActivations a) {
    Block block = a.blocks.get(layer);
    int rows = (int) x.rows();
    Tensor normed = rows(block.normed, rows);
    kernels.linear().round(x, normed);
    linear(Role.QUERY, layer, normed, rows(block.query, rows), false, tuned, block);
    linear(Role.KEY, layer, normed, rows(block.key, rows), false, tuned, block);
    linear(Role.VALUE, layer, normed, rows(block.value, rows), false, tuned, block);
    Tensor attended = rows(block.attended, rows);
    kernels
        .attention()
        .forward(
            rows(block.query, rows),
            rows(block.key, rows),
            rows(block.value, rows),
            spans,
            shape,
            attended,
            rows(block.lse, rows));
    Tensor sum = rows(block.middle, rows).copyFrom(x);
    linear(Role.ATTENTION_OUTPUT, layer, attended, sum, true, tuned, block);
    norm(weights.layers.get(layer).attentionNorm(), sum, x, block.mean, block.rstd);
  }

  private void feedForward(int layer, Tensor x, AdapterSites tuned, EncoderActivations a) {
    Block block = a.blocks.get(layer);
    int rows = (int) x.rows();
    Tensor normed = rows(block.normedMiddle, rows);
    Tensor up = rows(block.up, rows);
    Tensor active = rows(block.active, rows);
    kernels.linear().round(x, normed);
    linear(Role.UP, layer, normed, up, false, tuned, block);
    kernels.activation().forward(config.feedForward().activation(), up, null, active);
    Tensor sum = rows(a.sums.get(layer), rows).copyFrom(x);
    linear(Role.DOWN, layer, active, sum, true, tuned, block);
    norm(weights.layers.get(layer).feedForwardNorm(), sum, x, block.meanMiddle, block.rstdMiddle);
  }

  private void norm(Norm norm, Tensor x, Tensor y, Tensor mean, Tensor rstd) {
    kernels
        .layernorm()
        .forward(
            x,
            norm.weight(),
            norm.bias(),
            config.norm().epsilon(),
            y,
            mean.part(0, x.rows()),
            rstd.part(0, x.rows()));
  }

  private LinearWeights weights(Role role, int layer) {
    return weights.layers.get(layer).linear().get(role);
  }

  /** y (+)= the linear layer of a role, with its adapter. */
  private void linear(
      Role role, int layer, Tensor x, Tensor y, boolean add, AdapterSites tuned, Block block) {
    LoraFactors factors = tuned == null ? null : tuned.factors(role, layer);
    Tensor u = null;
    if (factors != null) {
      u = rows(block.low.get(role), (int) x.rows());
      kernels.lora().forward(x, factors, u);
    }
    kernels.linear().forward(x, weights(role, layer), u, factors, y, add);
  }

  /**
   * Gradients, after {@link #forward}.
   *
   * @param dPooled wide [E, C]: gradients of the examples' means
   * @param gradients receives what each parameter's gradient follows from
   */
  void backward(
      TokenGroup group,
      Tensor dPooled,
      AdapterSites tuned,
      EncoderActivations a,
      ParameterGradients gradients) {
    int rows = group.rows();
    int lowest = gradients.lowest();
    Tensor dx = rows(a.backward.dx, rows);
    kernels.pooling().backward(dPooled, group.spans(), dx);
    int top = config.layers() - 1;
    for (int layer = top; layer >= 0 && lowest <= Role.DOWN.height(layer); layer--) {
      feedForwardBackward(layer, rows, tuned, a, gradients);
      if (lowest <= Role.ATTENTION_OUTPUT.height(layer)) {
        attentionBackward(layer, rows, group.spans(), tuned, a, gradients);
      }
    }
  }

  /** From the gradient of a block's result, dx, to that of its first norm's, dSum. */
  private void feedForwardBackward(
      int layer, int rows, AdapterSites tuned, EncoderActivations a, ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    EncoderActivations.Backward b = a.backward;
    boolean below = gradients.lowest() < Role.DOWN.height(layer);
    Tensor dSum = rows(b.dSum, rows);
    normBackward(
        weights.layers.get(layer).feedForwardNorm(),
        rows(b.dx, rows),
        rows(a.sums.get(layer), rows),
        block.meanMiddle,
        block.rstdMiddle,
        dSum);
    Tensor dy = rows(b.dRounded, rows);
    Tensor dActive = below ? rows(b.dActive, rows) : null;
    Tensor active = rows(block.active, rows);
    kernels.linear().round(dSum, dy);
    linearBackward(Role.DOWN, layer, active, dy, dActive, false, tuned, a, gradients);
    if (below) {
      // The input of the activation is dead now; its memory takes its gradient.
      Tensor up = rows(block.up, rows);
      kernels.activation().backward(config.feedForward().activation(), up, null, dActive, up, null);
      Tensor normed = rows(block.normedMiddle, rows);
      Tensor dNormed = gradients.lowest() < Role.UP.height(layer) ? dSum : null;
      linearBackward(Role.UP, layer, normed, up, dNormed, true, tuned, a, gradients);
    }
  }

  /** From the gradient of a block's first norm's result, dSum, to that of its input, dx. */
  private void attentionBackward(
      int layer,
      int rows,
      Spans spans,
      AdapterSites tuned,
      EncoderActivations a,
      ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    EncoderActivations.Backward b = a.backward;
    Tensor dx = rows(b.dx, rows);
    normBackward(
        weights.layers.get(layer).attentionNorm(),
        rows(b.dSum, rows),
        rows(block.middle, rows),
        block.mean,
        block.rstd,
        dx);
    boolean below = gradients.lowest() < Role.ATTENTION_OUTPUT.height(layer);
    Tensor dy = rows(b.dRounded, rows);
    Tensor dAttended = below ? rows(b.dAttended, rows) : null;
    Tensor attended = rows(block.attended, rows);
    kernels.linear().round(dx, dy);
    linearBackward(
        Role.ATTENTION_OUTPUT, layer, attended, dy, dAttended, false, tuned, a, gradients);
    if (below) {
      projectionsBackward(layer, rows, spans, tuned, a, gradients);
    }
  }

  /** Adds to dx what reaches a block's input through queries, keys and values. */
  private void projectionsBackward(
      int layer,
      int rows,
      Spans spans,
      AdapterSites tuned,
      EncoderActivations a,
      ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    EncoderActivations.Backward b = a.backward;
    Tensor dQuery = rows(b.dQuery, rows);
    Tensor dKey = rows(b.dKey, rows);
    Tensor dValue = rows(b.dValue, rows);
    kernels
        .attention()
        .backward(
            rows(block.query, rows),
            rows(block.key, rows),
            rows(block.value, rows),
            rows(block.attended, rows),
            rows(b.dAttended, rows),
            rows(block.lse, rows),
            spans,
            shape,
            dQuery,
            dKey,
            dValue);
    Tensor normed = rows(block.normed, rows);
    Tensor dx = gradients.lowest() < Role.QUERY.height(layer) ? rows(b.dx, rows) : null;
    linearBackward(Role.QUERY, layer, normed, dQuery, dx, true, tuned, a, gradients);
    linearBackward(Role.KEY, layer, normed, dKey, dx, true, tuned, a, gradients);
    linearBackward(Role.VALUE, layer, normed, dValue, dx, true, tuned, a, gradients);
  }

  /** dx = the gradient through a norm. */
  private void normBackward(Norm norm, Tensor dy, Tensor x, Tensor mean, Tensor rstd, Tensor dx) {
    dx.data().asSlice(0, dx.size() * dx.type().bytes()).fill((byte) 0);
    kernels
        .layernorm()
        .backward(dy, x, norm.weight(), mean.part(0, x.rows()), rstd.part(0, x.rows()), dx);
  }

  /**
   * dx (+)= the gradient through a linear layer; hands out what its parameters' gradients follow
   * from.
   */
  private void linearBackward(
      Role role,
      int layer,
      Tensor x,
      Tensor dy,
      Tensor dx,
      boolean add,
      AdapterSites tuned,
      EncoderActivations a,
      ParameterGradients gradients) {
    LoraFactors factors = tuned == null ? null : tuned.factors(role, layer);
    Tensor u = null;
    Tensor du = null;
    if (factors != null) {
      u = rows(a.blocks.get(layer).low.get(role), (int) dy.rows());
      du = rows(a.backward.dLow, (int) dy.rows());
      kernels.lora().backward(dy, factors, du);
    }
    gradients.linear(role, layer, x, dy, u, du);
    if (dx != null) {
      kernels.linear().backward(dy, weights(role, layer), du, factors, dx, add);
    }
  }

  private static Tensor rows(Tensor buffer, int rows) {
    return buffer.rows(0, rows);
  }

  @Override
  public void close() {
    arena.close();
  }
}
