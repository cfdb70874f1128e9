package palimpsest.engine.model;

import java.util.HashMap;
import java.util.Map;
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
 * A decoder-only transformer, built from a configuration's options, on any kernel provider: forward
 * and backward over a group of whole examples. Shared by all workers: it holds weights only, a pass
 * writes into its caller's {@link Activations}.
 */
public final class Decoder implements AutoCloseable {
  private static final int SPREAD_ROWS = 1024;

  private final DecoderConfig config;
  private final Kernels kernels;
  private final TensorArena arena = new TensorArena();
  private final DecoderWeights weights;
  private final int maxPositions;
  private final Map<Double, Rotation> rotations = new HashMap<>();

  private record Rotation(Tensor cos, Tensor sin) {}

  /**
   * Packs the weights of a model folder, which may be closed afterwards.
   *
   * @param backward whether {@link #backward} will be called
   * @param maxPositions the longest example, at most the model's context
   */
  public Decoder(ModelFolder folder, Kernels kernels, boolean backward, int maxPositions) {
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
    weights = new DecoderWeights(folder, kernels, backward, arena);
    if (config.position().kind() == DecoderConfig.PositionKind.ROPE) {
      for (int layer = 0; layer < config.layers(); layer++) {
        rotations.computeIfAbsent(config.ropeBase(layer), this::rotation);
      }
    }
  }

  /** Angle of pair i at position p: p * base^(-2i/R) (Su et al. 2021, equation 15). */
  private Rotation rotation(double base) {
    int half = config.position().rotaryDims() / 2;
    Tensor cos = arena.allocate(kernels.wide(), maxPositions, half);
    Tensor sin = arena.allocate(kernels.wide(), maxPositions, half);
    for (int p = 0; p < maxPositions; p++) {
      for (int i = 0; i < half; i++) {
        double angle = p * Math.pow(base, -2.0 * i / config.position().rotaryDims());
        cos.set(p, i, Math.cos(angle));
        sin.set(p, i, Math.sin(angle));
      }
    }
    return new Rotation(cos, sin);
  }

  public DecoderConfig config() {
    return config;
  }

  public Kernels kernels() {
    return kernels;
  }

  /** The longest example this decoder takes. */
  public int maxPositions() {
    return maxPositions;
  }

  /**
   * Takes new values for all weights of a layout. No pass may be going on.
   *
   * @param parameters wide, of that layout
   */
  void repack(WeightLayout layout, Tensor parameters) {
    weights.repack(config, kernels, layout, parameters);
  }

  /** The weights of a linear layer. */
  LinearWeights weights(Role role, int layer) {
    return weights.layers.get(layer).linear().get(role);
  }

  private LinearWeights weights(Role role, int layer, Trainable tuned) {
    LinearWeights own = weights(role, layer);
    return tuned == null ? own : tuned.weights(role, layer, own);
  }

  /**
   * Root of the mean square of what tokens enter the model with, over {@value #SPREAD_ROWS} tokens
   * spread evenly over the vocabulary.
   */
  double embeddingSpread() {
    int rows = Math.min(SPREAD_ROWS, config.vocabularySize());
    double sum = 0;
    for (int i = 0; i < rows; i++) {
      long token = (long) i * config.vocabularySize() / rows;
      for (int k = 0; k < config.width(); k++) {
        double value = weights.embedding.get(token, k);
        sum += value * value;
      }
    }
    return config.embeddingScale() * Math.sqrt(sum / rows / config.width());
  }

  /** Bytes of packed weights. */
  public long bytes() {
    return arena.bytes();
  }

  /**
   * The residual stream of a group after the last block is left in the activations; see {@link
   * #losses} and {@link #backward}.
   */
  public void forward(TokenGroup group, Trainable tuned, Activations a) {
    blocks(group.ids(), group.positions(), group.spans(), tuned, a, null);
  }

  /**
   * Losses of the group's weighted rows, after {@link #forward}: read them by {@link
   * Activations#nll}.
   */
  public void losses(TokenGroup group, Activations a) {
    headInputs(group, a);
    for (int first = 0; first < group.weightedRows(); first += Activations.HEAD_ROWS) {
      headLosses(group, a, first);
    }
  }

  /**
   * The gradients of the sum over the group of weight times loss, after {@link #forward}; the
   * losses too.
   *
   * @param gradients receives what each parameter's gradient follows from
   */
  public void backward(
      TokenGroup group, Trainable tuned, Activations a, ParameterGradients gradients) {
    headInputs(group, a);
    headBackward(group, a, gradients);
    int rows = group.rows();
    Spans spans = group.spans();
    int lowest = gradients.lowest();
    int top = config.layers() - 1;
    for (int layer = top; layer >= 0 && lowest <= Role.DOWN.height(layer); layer--) {
      if (layer < top && a.recomputes()) {
        recompute(layer, group, tuned, a);
      }
      feedForwardBackward(layer, rows, tuned, a, gradients);
      if (lowest <= Role.ATTENTION_OUTPUT.height(layer)) {
        attentionBackward(layer, rows, group.positions(), spans, tuned, a, gradients);
      }
    }
    if (lowest <= Role.EMBEDDING.height(0)) {
      gradients.embedding(rows(a.backward.dx, rows));
    }
  }

  /**
   * Reads the new tokens of streams, which see the tokens that their slots of the cache hold, and
   * keeps their keys and values there. What follows from them is left in the activations; see
   * {@link #logits}.
   */
  public void decode(StreamGroup group, Trainable tuned, Activations a) {
    blocks(group.ids(), group.positions(), group.spans(), tuned, a, group);
  }

  /**
   * Logits of the next token after some rows, after {@link #decode}.
   *
   * @param rows of the group
   * @param from first element of {@code rows} that is wanted
   * @param count how many, at most {@link Activations#HEAD_ROWS}
   * @return wide [count, V], a view of the activations that the next call of this or any pass
   *     overwrites
   */
  public Tensor logits(int[] rows, int from, int count, Activations a) {
    for (int i = 0; i < count; i++) {
      a.headInput.rows(i, 1).copyFrom(a.residual.rows(rows[from + i], 1));
    }
    Tensor normed = rows(a.headNormed, count);
    norm(weights.finalNorm, rows(a.headInput, count), normed, a.headMean, a.headRstd);
    Tensor logits = rows(a.logits, count).columns(0, config.vocabularySize());
    kernels.linear().forward(normed, weights.head, null, null, logits, false);
    return logits;
  }

  private void blocks(
      Tensor ids,
      Tensor positions,
      Spans spans,
      Trainable tuned,
      Activations a,
      StreamGroup streams) {
    int rows = (int) ids.size();
    Tensor x = rows(a.residual, rows);
    embed(ids, positions, tuned, x);
    for (int layer = 0; layer < config.layers(); layer++) {
      rows(a.input(layer), rows).copyFrom(x);
      attention(layer, x, positions, spans, tuned, a, streams);
      Tensor active = feedForward(layer, rows, tuned, a);
      linear(Role.DOWN, layer, active, x, true, tuned, a);
    }
  }

  /** From a block's input, which x is too, to what its feed-forward part reads. */
  private void attention(
      int layer,
      Tensor x,
      Tensor positions,
      Spans spans,
      Trainable tuned,
      Activations a,
      StreamGroup streams) {
    Block block = a.blocks.get(layer);
    int rows = (int) x.rows();
    norm(
        weights.layers.get(layer).attentionNorm(),
        rows(a.input(layer), rows),
        rows(block.normed, rows),
        block.mean,
        block.rstd);
    queryKeyValue(layer, rows, positions, tuned, a);
    attend(layer, rows, spans, a, streams);
    linear(Role.ATTENTION_OUTPUT, layer, rows(block.attended, rows), x, true, tuned, a);
    rows(block.middle, rows).copyFrom(x);
  }

  /**
   * Fills a block's buffers, which another one has used since, with what its forward pass left in
   * them, to the bit: the same kernels on the same rows. Its last product is in the next block's
   * input and read nowhere else, so that product is left out. The residual stream is dead by now
   * and serves as scratch memory.
   */
  private void recompute(int layer, TokenGroup group, Trainable tuned, Activations a) {
    int rows = group.rows();
    Tensor x = rows(a.residual, rows).copyFrom(rows(a.input(layer), rows));
    attention(layer, x, group.positions(), group.spans(), tuned, a, null);
    lowRank(Role.DOWN, layer, feedForward(layer, rows, tuned, a), tuned, a);
  }

  /** Tokens of the vocabulary read the model's own table, virtual ones the prompt's. */
  private void embed(Tensor ids, Tensor positions, Trainable tuned, Tensor x) {
    SoftPrompt prompt = tuned instanceof SoftPrompt soft ? soft : null;
    if (prompt == null) {
      embed(ids, positions, x);
      return;
    }
    SoftPrompt.overRuns(
        ids,
        config.vocabularySize(),
        0,
        (int) ids.size(),
        (row, count, virtual) -> {
          Tensor places = positions.part(row, count);
          Tensor rows = x.rows(row, count);
          if (virtual < 0) {
            embed(ids.part(row, count), places, rows);
          } else {
            prompt.embed(virtual, places, weights.positions, rows);
          }
        });
  }

  private void embed(Tensor ids, Tensor positions, Tensor x) {
    kernels
        .embedding()
        .forward(ids, positions, weights.embedding, weights.positions, config.embeddingScale(), x);
  }

  private void norm(Norm norm, Tensor x, Tensor y, Tensor mean, Tensor rstd) {
    double epsilon = config.norm().epsilon();
    Tensor r = vector(rstd, x.rows());
    if (config.norm().kind() == DecoderConfig.NormKind.RMSNORM) {
      kernels.rmsnorm().forward(x, norm.weight(), epsilon, y, r);
    } else {
      kernels
          .layernorm()
          .forward(x, norm.weight(), norm.bias(), epsilon, y, vector(mean, x.rows()), r);
    }
  }

  /** y (+)= the linear layer of a role, with what is tuned of it. */
  private void linear(
      Role role, int layer, Tensor x, Tensor y, boolean add, Trainable tuned, Activations a) {
    LoraFactors factors = tuned == null ? null : tuned.factors(role, layer);
    Tensor u = lowRank(role, layer, x, tuned, a);
    kernels.linear().forward(x, weights(role, layer, tuned), u, factors, y, add);
  }

  /** The first product of an adapter, or null without one. */
  private Tensor lowRank(Role role, int layer, Tensor x, Trainable tuned, Activations a) {
    LoraFactors factors = tuned == null ? null : tuned.factors(role, layer);
    if (factors == null) {
      return null;
    }
    Tensor u = rows(a.blocks.get(layer).low.get(role), (int) x.rows());
    kernels.lora().forward(x, factors, u);
    return u;
  }

  private void queryKeyValue(
      int layer, int rows, Tensor positions, Trainable tuned, Activations a) {
    Block block = a.blocks.get(layer);
    Tensor x = rows(block.normed, rows);
    if (config.attention().fused()) {
      linear(Role.QUERY_KEY_VALUE, layer, x, rows(block.qkv, rows), false, tuned, a);
      return;
    }
    boolean rope = a.wideQuery != null;
    Tensor query = rows(rope ? a.wideQuery : block.query, rows);
    Tensor key = rows(rope ? a.wideKey : block.key, rows);
    linear(Role.QUERY, layer, x, query, false, tuned, a);
    linear(Role.KEY, layer, x, key, false, tuned, a);
    linear(Role.VALUE, layer, x, rows(block.value, rows), false, tuned, a);
    if (rope) {
      Rotation r = rotations.get(config.ropeBase(layer));
      DecoderConfig.AttentionOptions options = config.attention();
      kernels
          .rope()
          .forward(query, options.heads(), positions, r.cos, r.sin, rows(block.query, rows));
      kernels
          .rope()
          .forward(key, options.kvHeads(), positions, r.cos, r.sin, rows(block.key, rows));
    }
  }

  private void attend(int layer, int rows, Spans spans, Activations a, StreamGroup streams) {
    Block block = a.blocks.get(layer);
    Tensor keys = rows(block.key, rows);
    Tensor values = rows(block.value, rows);
    if (streams != null) {
      streams.store(layer, keys, values);
      keys = streams.cache().keys(layer);
      values = streams.cache().values(layer);
    }
    kernels
        .attention()
        .forward(
            rows(block.query, rows),
            keys,
            values,
            spans,
            shape(layer),
            rows(block.attended, rows),
            rows(block.lse, rows));
  }

  private Attention.Shape shape(int layer) {
    DecoderConfig.AttentionOptions options = config.attention();
    return new Attention.Shape(
        options.heads(), options.kvHeads(), options.scale(), options.window(layer), true);
  }

  /** All of a block's feed-forward part but its last product, whose input it returns. */
  private Tensor feedForward(int layer, int rows, Trainable tuned, Activations a) {
    Block block = a.blocks.get(layer);
    Tensor normed = rows(block.normedMiddle, rows);
    norm(
        weights.layers.get(layer).feedForwardNorm(),
        rows(block.middle, rows),
        normed,
        block.meanMiddle,
        block.rstdMiddle);
    Tensor up = rows(block.up, rows);
    Tensor active = rows(block.active, rows);
    linear(Role.UP, layer, normed, up, false, tuned, a);
    if (block.gate != null) {
      Tensor gate = rows(block.gate, rows);
      linear(Role.GATE, layer, normed, gate, false, tuned, a);
      kernels.activation().forward(config.feedForward().activation(), gate, up, active);
    } else {
      kernels.activation().forward(config.feedForward().activation(), up, null, active);
    }
    return active;
  }

  private void headInputs(TokenGroup group, Activations a) {
    int count = group.weightedRows();
    for (int i = 0; i < count; i++) {
      a.headInput.rows(i, 1).copyFrom(a.residual.rows(group.headRow(i), 1));
    }
    norm(
        weights.finalNorm,
        rows(a.headInput, count),
        rows(a.headNormed, count),
        a.headMean,
        a.headRstd);
  }

  /** Losses of one chunk of weighted rows; returns its logits. */
  private Tensor headLosses(TokenGroup group, Activations a, int first) {
    int count = Math.min(Activations.HEAD_ROWS, group.weightedRows() - first);
    Tensor logits = rows(a.logits, count).columns(0, config.vocabularySize());
    kernels
        .linear()
        .forward(a.headNormed.rows(first, count), weights.head, null, null, logits, false);
    kernels
        .crossentropy()
        .forward(
            logits,
            group.headTargets(first, count),
            a.nll.part(first, count),
            a.headLse.part(first, count));
    return logits;
  }

  private void headBackward(TokenGroup group, Activations a, ParameterGradients gradients) {
    int weighted = group.weightedRows();
    Tensor dInput = rows(a.backward.dHeadInput, weighted);
    dInput.data().asSlice(0, weighted * dInput.cols() * dInput.type().bytes()).fill((byte) 0);
    for (int first = 0; first < weighted; first += Activations.HEAD_ROWS) {
      Tensor logits = headLosses(group, a, first);
      int count = (int) logits.rows();
      Tensor dLogits = dLogits(a, first, count);
      kernels
          .crossentropy()
          .backward(
              logits,
              group.headTargets(first, count),
              group.headWeights(first, count),
              a.headLse.part(first, count),
              dLogits);
      gradients.head(first, a.headNormed.rows(first, count), dLogits);
      if (gradients.lowest() < Role.HEAD.height(0)) {
        headNormBackward(first, dLogits, a, gradients);
      }
    }
    if (a.keepsOutputGradients()) {
      gradients.outputLayer(rows(a.headNormed, weighted), rows(a.dLogits, weighted));
    }
    Tensor dx = rows(a.backward.dx, group.rows());
    dx.data().asSlice(0, dx.size() * dx.type().bytes()).fill((byte) 0);
    for (int i = 0; i < weighted; i++) {
      dx.rows(group.headRow(i), 1).copyFrom(dInput.rows(i, 1));
    }
  }

  /** From the gradient of some logits to that of what the final norm reads. */
  private void headNormBackward(
      int first, Tensor dLogits, Activations a, ParameterGradients gradients) {
    int count = (int) dLogits.rows();
    Tensor dNormed = rows(a.backward.dHead, count);
    kernels.linear().backward(dLogits, weights.head, null, null, dNormed, false);
    Tensor x = a.headInput.rows(first, count);
    Tensor mean = a.headMean.part(first, count);
    Tensor rstd = a.headRstd.part(first, count);
    gradients.headNorm(first, dNormed, x, meanOrNull(mean), rstd);
    if (gradients.lowest() < Role.FINAL_NORM.height(0)) {
      Tensor dInput = a.backward.dHeadInput.rows(first, count);
      normBackward(weights.finalNorm, dNormed, x, mean, rstd, dInput);
    }
  }

  /** Over the logits, unless they are to outlive the pass. */
  private Tensor dLogits(Activations a, int first, int count) {
    if (a.keepsOutputGradients()) {
      return a.dLogits.rows(first, count);
    }
    return Tensor.of(a.logits.data(), kernels.compute(), a.logits.rows(), a.logits.cols())
        .rows(0, count)
        .columns(0, config.vocabularySize());
  }

  private void normBackward(Norm norm, Tensor dy, Tensor x, Tensor mean, Tensor rstd, Tensor dx) {
    if (config.norm().kind() == DecoderConfig.NormKind.RMSNORM) {
      kernels.rmsnorm().backward(dy, x, norm.weight(), rstd, dx);
    } else {
      kernels.layernorm().backward(dy, x, norm.weight(), mean, rstd, dx);
    }
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
      Trainable tuned,
      Activations a,
      ParameterGradients gradients) {
    LoraFactors factors = tuned == null ? null : tuned.factors(role, layer);
    int rows = (int) dy.rows();
    Tensor u = null;
    Tensor du = null;
    if (factors != null) {
      u = rows(a.blocks.get(layer).low.get(role), rows);
      du = rows(a.backward.dLow, rows);
      kernels.lora().backward(dy, factors, du);
    }
    gradients.linear(role, layer, x, dy, u, du);
    if (dx != null) {
      LinearWeights w = weights(role, layer, tuned);
      kernels.linear().backward(dy, w, du, factors, dx, add);
    }
  }

  private void feedForwardBackward(
      int layer, int rows, Trainable tuned, Activations a, ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    Activations.Backward b = a.backward;
    Tensor dx = rows(b.dx, rows);
    Tensor dy = rows(a.dDown(layer), rows);
    boolean below = gradients.lowest() < Role.DOWN.height(layer);
    Tensor dActive = below ? rows(b.dActive, rows) : null;
    Tensor normed = rows(block.normedMiddle, rows);
    boolean reachesNorm = gradients.lowest() < Role.UP.height(layer);
    Tensor dNormed = reachesNorm ? rows(b.dNormedMiddle, rows) : null;
    Tensor up = rows(block.up, rows);
    kernels.linear().round(dx, dy);
    linearBackward(
        Role.DOWN, layer, rows(block.active, rows), dy, dActive, false, tuned, a, gradients);
    if (!below) {
      return;
    }
    if (block.gate != null) {
      // The inputs of the activation are dead now; their memory takes their gradients.
      Tensor gate = rows(block.gate, rows);
      kernels.activation().backward(config.feedForward().activation(), gate, up, dActive, gate, up);
      linearBackward(Role.GATE, layer, normed, gate, dNormed, false, tuned, a, gradients);
      linearBackward(Role.UP, layer, normed, up, dNormed, true, tuned, a, gradients);
    } else {
      kernels.activation().backward(config.feedForward().activation(), up, null, dActive, up, null);
      linearBackward(Role.UP, layer, normed, up, dNormed, false, tuned, a, gradients);
    }
    if (reachesNorm) {
      Tensor x = rows(block.middle, rows);
      Tensor mean = vector(block.meanMiddle, rows);
      Tensor rstd = vector(block.rstdMiddle, rows);
      gradients.norm(Role.FEED_FORWARD_NORM, layer, dNormed, x, meanOrNull(mean), rstd);
      normBackward(weights.layers.get(layer).feedForwardNorm(), dNormed, x, mean, rstd, dx);
    }
  }

  private void attentionBackward(
      int layer,
      int rows,
      Tensor positions,
      Spans spans,
      Trainable tuned,
      Activations a,
      ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    Activations.Backward b = a.backward;
    Tensor dx = rows(b.dx, rows);
    Tensor dy = rows(a.dAttentionOutput(layer), rows);
    boolean below = gradients.lowest() < Role.ATTENTION_OUTPUT.height(layer);
    Tensor dAttended = below ? rows(b.dAttended, rows) : null;
    kernels.linear().round(dx, dy);
    linearBackward(
        Role.ATTENTION_OUTPUT,
        layer,
        rows(block.attended, rows),
        dy,
        dAttended,
        false,
        tuned,
        a,
        gradients);
    if (below) {
      attentionProductsBackward(layer, rows, positions, spans, a);
      projectionsBackward(layer, rows, tuned, a, gradients);
    }
  }

  /** From the gradient of what was attended to those of query, key and value, rounded. */
  private void attentionProductsBackward(
      int layer, int rows, Tensor positions, Spans spans, Activations a) {
    Block block = a.blocks.get(layer);
    Activations.Backward b = a.backward;
    Tensor dQuery = rows(a.dQuery(layer), rows);
    Tensor dKey = rows(a.dKey(layer), rows);
    Tensor dValue = rows(a.dValue(layer), rows);
    boolean rope = b.dQuery != null;
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
            shape(layer),
            rows(rope ? b.dQuery : b.dQueryRounded, rows),
            rows(rope ? b.dKey : b.dKeyRounded, rows),
            rows(rope ? b.dValue : b.dValueRounded, rows));
    if (rope) {
      Rotation r = rotations.get(config.ropeBase(layer));
      DecoderConfig.AttentionOptions options = config.attention();
      kernels
          .rope()
          .backward(rows(b.dQuery, rows), options.heads(), positions, r.cos, r.sin, dQuery);
      kernels.rope().backward(rows(b.dKey, rows), options.kvHeads(), positions, r.cos, r.sin, dKey);
      kernels.linear().round(rows(b.dValue, rows), dValue);
    } else if (a.keepsOutputGradients()) {
      rows(a.dQkv(layer), rows).copyFrom(rows(b.dQkv, rows));
    }
  }

  /** From the gradients of query, key and value to that of the block's input. */
  private void projectionsBackward(
      int layer, int rows, Trainable tuned, Activations a, ParameterGradients gradients) {
    Block block = a.blocks.get(layer);
    Activations.Backward b = a.backward;
    boolean below = gradients.lowest() < Role.QUERY.height(layer);
    Tensor normed = rows(block.normed, rows);
    Tensor dNormed = below ? rows(b.dNormed, rows) : null;
    if (config.attention().fused()) {
      linearBackward(
          Role.QUERY_KEY_VALUE,
          layer,
          normed,
          rows(a.dQkv(layer), rows),
          dNormed,
          false,
          tuned,
          a,
          gradients);
    } else {
      linearBackward(
          Role.QUERY,
          layer,
          normed,
          rows(a.dQuery(layer), rows),
          dNormed,
          false,
          tuned,
          a,
          gradients);
      linearBackward(
          Role.KEY, layer, normed, rows(a.dKey(layer), rows), dNormed, true, tuned, a, gradients);
      linearBackward(
          Role.VALUE,
          layer,
          normed,
          rows(a.dValue(layer), rows),
          dNormed,
          true,
          tuned,
          a,
          gradients);
    }
    if (below) {
      Tensor x = rows(a.input(layer), rows);
      Tensor mean = vector(block.mean, rows);
      Tensor rstd = vector(block.rstd, rows);
      gradients.norm(Role.ATTENTION_NORM, layer, dNormed, x, meanOrNull(mean), rstd);
      normBackward(
          weights.layers.get(layer).attentionNorm(), dNormed, x, mean, rstd, rows(b.dx, rows));
    }
  }

  private Tensor meanOrNull(Tensor mean) {
    return config.norm().kind() == DecoderConfig.NormKind.LAYERNORM ? mean : null;
  }

  private static Tensor rows(Tensor buffer, int rows) {
    return buffer.rows(0, rows);
  }

  private static Tensor vector(Tensor buffer, long count) {
    return buffer.part(0, count);
  }

  @Override
  public void close() {
    arena.close();
  }
}
