package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.ParameterGradients;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of a model's own weights, all or some, none of which is ever held: one
 * backward pass gives the norm of each example's gradient, place by place; what the weights'
 * gradients follow from stays where it is, and becomes the clipped sum afterwards, tile by tile
 * (book-keeping: Bu, Wang, Zha and Karypis 2023; with verified integers instead of floats,
 * docs/privacy.md). A tied output layer and the embedding are one matrix with one contribution. The
 * pass ends at the lowest place that is trained, and what is frozen above has neither norm nor sum.
 *
 * <p>Vectors, of norms and biases, are few: an example's are held side by side.
 */
final class WeightGradients implements PublicGradients, ParameterGradients {
  private final DecoderConfig config;
  private final Decoder decoder;
  private final AllWeights weights;
  private final Kernels kernels;
  private final WeightLayout layout;
  private final TokenGroup group;
  private final Activations activations;

  /** Wide [E, vectors]: each example's gradients of all vectors; null if none is trained. */
  private final Tensor vectors;

  /** Wide [C]: where a norm's kernel puts the gradient that is not wanted of its two. */
  private final Tensor unwanted;

  /** Wide [E, 1] of ones: a vector's "product" is the vector. */
  private final Tensor ones;

  private final Tensor exampleStarts;
  private final Tensor rowStarts;
  private final Tensor headStarts;

  /** What is sorted: a token above its row. */
  private final long[] tokenRows;

  private final Tensor sortedIds;
  private final Tensor sortedRows;
  private final Tensor counting;
  private final Tensor workspace;

  /** Squared norms of the examples, one group of parameters that is clipped after the other. */
  private double[] norms = {};

  /** The sum whose groups the norms are of; none: that of the whole gradient. */
  private Optional<ProductSum> clipped = Optional.empty();

  private final ClippedExamples examples;
  private final Map<WeightLayout.Matrix, GradientProduct> products = new HashMap<>();

  /** Of norms that are estimated; null where they are exact. */
  private final NormSketch sketch;

  private long step;

  /** Training without privacy needs none. */
  private boolean withNorms = true;

  private Tensor h;
  private Tensor dLogits;

  /**
   * @param maxRows the most rows of a group
   * @param maxExamples the most examples of a group
   * @param arena holds all buffers
   */
  WeightGradients(
      Decoder decoder, AllWeights weights, int maxRows, int maxExamples, TensorArena arena) {
    this.decoder = decoder;
    this.weights = weights;
    layout = weights.layout();
    config = decoder.config();
    kernels = decoder.kernels();
    group = new TokenGroup(maxRows, maxExamples, new int[0], kernels.wide(), arena);
    activations =
        new Activations(
            config, kernels, maxRows, maxRows, 0, Activations.Purpose.BOOK_KEEPING, arena);
    long vectorsSize = layout.vectorsSize();
    vectors = vectorsSize == 0 ? null : arena.allocate(kernels.wide(), maxExamples, vectorsSize);
    unwanted = arena.allocate(kernels.wide(), config.width());
    ones = arena.allocate(kernels.wide(), maxExamples, 1).fill(1);
    exampleStarts = arena.allocate(DType.I32, maxExamples + 1);
    rowStarts = arena.allocate(DType.I32, maxExamples + 1);
    headStarts = arena.allocate(DType.I32, maxExamples + 1);
    tokenRows = new long[maxRows];
    sortedIds = arena.allocate(DType.I32, maxRows);
    sortedRows = arena.allocate(DType.I32, maxRows);
    counting = arena.allocate(DType.I32, maxRows);
    for (int row = 0; row < maxRows; row++) {
      counting.set(row, row);
    }
    sketch =
        weights.norms() == Norms.SKETCHED
            ? new NormSketch(layout, config.tiedHead(), kernels, arena)
            : null;
    workspace =
        arena.allocate(
            kernels.wide(), workspaceSize(layout, kernels, weights.norms(), maxRows, maxExamples));
    examples = new ClippedExamples(maxExamples, kernels.wide(), arena);
  }

  /** Bytes of one worker's buffers, but for some indices. */
  static long bytes(
      DecoderConfig config,
      Kernels kernels,
      TuningMethod.Full method,
      int maxRows,
      int maxExamples) {
    WeightLayout layout = new WeightLayout(config, method.trained());
    try (TensorArena counting = TensorArena.counting();
        TensorArena sketches = new TensorArena()) {
      new Activations(
          config, kernels, maxRows, maxRows, 0, Activations.Purpose.BOOK_KEEPING, counting);
      if (method.norms() == Norms.SKETCHED) {
        new NormSketch(layout, config.tiedHead(), kernels, sketches);
      }
      long numbers =
          maxExamples * layout.vectorsSize()
              + workspaceSize(layout, kernels, method.norms(), maxRows, maxExamples);
      return counting.bytes() + sketches.bytes() + kernels.wide().bytes() * numbers;
    }
  }

  private static long workspaceSize(
      WeightLayout layout, Kernels kernels, Norms norms, int maxRows, int maxExamples) {
    int sketches = norms == Norms.SKETCHED ? NormSketch.VECTORS : 0;
    long most =
        kernels
            .linear()
            .workspace(
                kernels.wide(), maxExamples, maxExamples, 1, Math.max(1, layout.vectorsSize()));
    for (WeightLayout.Matrix matrix : layout.matrices()) {
      most =
          Math.max(
              most,
              kernels
                  .linear()
                  .workspace(
                      kernels.compute(),
                      maxRows,
                      maxExamples,
                      matrix.rows(),
                      matrix.cols(),
                      sketches));
    }
    return Math.max(1, most);
  }

  @Override
  public TokenGroup group() {
    return group;
  }

  @Override
  public void startStep(long step) {
    this.step = step;
  }

  @Override
  public long size() {
    return layout.size();
  }

  @Override
  public void accumulate(ClippedSum sum) {
    if (!(sum instanceof ProductSum verified)) {
      throw new IllegalArgumentException("this sum takes vectors, not products");
    }
    clipped = Optional.of(verified);
    compute();
    verified.add(products(), norms.clone(), examples);
  }

  @Override
  public int parts() {
    return layout.partOffsets().size();
  }

  @Override
  public double accumulatePublic(OrderedSum sum, int number) {
    withNorms = false;
    try {
      compute();
    } finally {
      withNorms = true;
    }
    List<GradientProduct> parts = products();
    for (int part = 0; part < parts.size(); part++) {
      GradientProduct product = parts.get(part);
      sum.add(part, number, total -> product.plain().into(product.of(total)));
    }
    return activations.loss(group);
  }

  /**
   * Computes the squared norms of all examples of the group, and what their gradients follow from.
   */
  void compute() {
    begin();
    decoder.forward(group, weights, activations);
    decoder.backward(group, weights, activations, this);
    for (int e = 0; vectors != null && withNorms && e < group.examples(); e++) {
      norms[place(layout.vectorsOffset(), e)] += kernels.clip().exampleNorm(vectors(e));
    }
    for (int at = 0; withNorms && at < norms.length; at++) {
      if (sketched(at % group.examples())) {
        norms[at] = NormSketch.withMargin(norms[at]);
      }
    }
  }

  /** Where the squared norm stands that the part of an example's gradient at this offset is of. */
  private int place(long offset, int example) {
    return clipped.map(sum -> sum.group(offset)).orElse(0) * group.examples() + example;
  }

  /** By the example's own length alone: what mates have must not settle how it is computed. */
  private boolean sketched(int example) {
    return sketch != null
        && group.rowStart(example + 1) - group.rowStart(example) > NormSketch.EXACT_ROWS;
  }

  /**
   * Squared norm of an example's whole gradient, after {@link #compute}; one that is estimated
   * includes the estimate's margin.
   */
  double norm(int example) {
    double whole = 0;
    for (int at = example; at < norms.length; at += group.examples()) {
      whole += norms[at];
    }
    return whole;
  }

  private void begin() {
    if (sketch != null && withNorms) {
      sketch.draw(step);
    }
    products.clear();
    norms = new double[clipped.map(ProductSum::groups).orElse(1) * group.examples()];
    if (vectors != null) {
      vectors.data().fill((byte) 0);
    }
    for (int e = 0; e <= group.examples(); e++) {
      exampleStarts.set(e, e);
      rowStarts.set(e, group.rowStart(e));
      headStarts.set(e, group.headStart(e));
    }
  }

  private Tensor vectors(int example) {
    return vectors.rows(example, 1).reshape(layout.vectorsSize());
  }

  /** All parts, in the order of the layout. */
  List<GradientProduct> products() {
    List<GradientProduct> all = new ArrayList<>();
    layout.matrices().forEach(matrix -> all.add(products.get(matrix)));
    if (vectors != null) {
      all.add(vectorsProduct());
    }
    return all;
  }

  private GradientProduct vectorsProduct() {
    int count = group.examples();
    return new GradientProduct(
        layout.vectorsOffset(),
        1,
        layout.vectorsSize(),
        (examples, sums) ->
            kernels
                .linear()
                .accumulate(
                    ones.rows(0, count),
                    vectors.rows(0, count),
                    exampleStarts,
                    examples,
                    null,
                    sums,
                    workspace),
        sums -> {
          for (int e = 0; e < count; e++) {
            FloatSum.add(vectors(e), sums);
          }
        });
  }

  /** A matrix whose gradient is a product over the rows of each example. */
  private void product(
      WeightLayout.Matrix matrix, Tensor left, Tensor right, Tensor starts, EmbeddingRows more) {
    for (int e = 0; withNorms && e < group.examples(); e++) {
      long from = starts.getLong(e);
      long to = starts.getLong(e + 1);
      norms[place(matrix.offset(), e)] +=
          sketched(e)
              ? sketch.norm(matrix, left, right, from, to, more, e, workspace)
              : kernels.linear().exampleNorm(left, right, from, to, workspace);
    }
    products.put(
        matrix,
        new GradientProduct(
            matrix.offset(),
            matrix.rows(),
            matrix.cols(),
            (examples, sums) ->
                kernels.linear().accumulate(left, right, starts, examples, more, sums, workspace),
            sums -> {
              kernels
                  .linear()
                  .exampleGrad(right, left, 0, starts.getLong(group.examples()), sums, workspace);
              if (more != null) {
                addRows(group.ids(), more, sums);
              }
            }));
  }

  /** Adds the rows of all examples to a table's gradient. */
  private void addRows(Tensor ids, EmbeddingRows rows, Tensor sums) {
    kernels
        .embedding()
        .exampleGrad(ids, ids, rows.values(), 0, group.rows(), rows.scale(), sums, null);
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    WeightLayout.Matrix matrix = layout.matrix(role, layer);
    if (matrix != null) {
      boolean inputMajor = matrix.inputMajor();
      product(matrix, inputMajor ? x : dy, inputMajor ? dy : x, rowStarts, null);
    }
    WeightLayout.Vector bias = layout.vector(role, layer, true);
    for (int e = 0; bias != null && e < group.examples(); e++) {
      kernels
          .linear()
          .biasExampleGrad(dy, group.rowStart(e), group.rowStart(e + 1), bias.of(vectors(e)));
    }
  }

  @Override
  public void norm(Role role, int layer, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
    for (int e = 0; e < group.examples(); e++) {
      norm(e, role, layer, dy, x, mean, rstd, group.rowStart(e), group.rowStart(e + 1));
    }
  }

  @Override
  public void headNorm(long first, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
    for (int e = 0; e < group.examples(); e++) {
      long from = Math.clamp(group.headStart(e) - first, 0, dy.rows());
      long to = Math.clamp(group.headStart(e + 1) - first, 0, dy.rows());
      norm(e, Role.FINAL_NORM, 0, dy, x, mean, rstd, from, to);
    }
  }

  private void norm(
      int example,
      Role role,
      int layer,
      Tensor dy,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      long from,
      long to) {
    WeightLayout.Vector weight = layout.vector(role, layer, false);
    WeightLayout.Vector bias = layout.vector(role, layer, true);
    if (weight == null && bias == null) {
      return;
    }
    Tensor dWeight = weight == null ? unwanted : weight.of(vectors(example));
    if (mean == null) {
      kernels.rmsnorm().exampleGrad(dy, x, rstd, from, to, dWeight);
    } else {
      Tensor dBias = bias == null ? unwanted : bias.of(vectors(example));
      kernels.layernorm().exampleGrad(dy, x, mean, rstd, from, to, dWeight, dBias);
    }
  }

  @Override
  public int lowest() {
    return layout.lowest();
  }

  @Override
  public void outputLayer(Tensor h, Tensor dLogits) {
    this.h = h;
    this.dLogits = dLogits;
    WeightLayout.Matrix own = layout.matrix(Role.HEAD, 0);
    if (own != null) {
      product(own, dLogits, h, headStarts, null);
    }
  }

  @Override
  public void embedding(Tensor dx) {
    WeightLayout.Matrix table = layout.matrix(Role.EMBEDDING, 0);
    if (table != null) {
      table(table, dx);
    }
    WeightLayout.Matrix places = layout.matrix(Role.POSITIONS, 0);
    if (places != null) {
      // Each position stands once in an example, in order.
      Tensor positions = group.positions();
      rowsOf(places, positions, new EmbeddingRows(rowStarts, positions, counting, dx, 1));
    }
  }

  private void table(WeightLayout.Matrix table, Tensor dx) {
    sortTokens();
    EmbeddingRows tokens =
        new EmbeddingRows(rowStarts, sortedIds, sortedRows, dx, config.embeddingScale());
    if (config.tiedHead()) {
      product(table, dLogits, h, headStarts, tokens);
      for (int e = 0; withNorms && e < group.examples(); e++) {
        // A sketch has them already: it is linear in all that the gradient consists of.
        if (!sketched(e)) {
          norms[place(table.offset(), e)] +=
              kernels
                  .embedding()
                  .exampleNorm(
                      tokens,
                      e,
                      dLogits,
                      h,
                      group.headStart(e),
                      group.headStart(e + 1),
                      table.rows());
        }
      }
    } else {
      rowsOf(table, group.ids(), tokens);
    }
  }

  /** Within each example by token, then by row. */
  private void sortTokens() {
    Tensor ids = group.ids();
    for (int row = 0; row < group.rows(); row++) {
      tokenRows[row] = ids.getLong(row) << 32 | row;
    }
    for (int e = 0; e < group.examples(); e++) {
      Arrays.sort(tokenRows, group.rowStart(e), group.rowStart(e + 1));
    }
    for (int at = 0; at < group.rows(); at++) {
      sortedIds.set(at, tokenRows[at] >>> 32);
      sortedRows.set(at, (int) tokenRows[at]);
    }
  }

  /** A matrix whose gradient is rows of it, one for each of the ids. */
  private void rowsOf(WeightLayout.Matrix matrix, Tensor ids, EmbeddingRows rows) {
    for (int e = 0; withNorms && e < group.examples(); e++) {
      norms[place(matrix.offset(), e)] +=
          kernels.embedding().exampleNorm(rows, e, null, null, 0, 0, matrix.rows());
    }
    products.put(
        matrix,
        new GradientProduct(
            matrix.offset(),
            matrix.rows(),
            matrix.cols(),
            (examples, sums) -> kernels.embedding().accumulate(rows, examples, sums),
            sums -> addRows(ids, rows, sums)));
  }

  /** Fills all buffers with NaN, for tests: what a pass does not write must not be read. */
  void poison() {
    activations.poison();
    if (vectors != null) {
      vectors.fill(Double.NaN);
    }
    workspace.fill(Double.NaN);
  }
}
