package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.kernel.Attention;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.synth.bench.KernelCase.Roof;

/** The kernels of a training step on a model's shapes, for a group of so many rows. */
final class KernelCases {
  private static final int RANK = 8;

  /** Tokens an example, where a kernel goes by examples; one of all rows is measured besides. */
  private static final int EXAMPLE = 64;

  /** Vectors of a sketched norm. */
  private static final int SKETCHES = 32;

  private static final int GRID_BITS = 20;
  private static final double SCALE = 2;
  private static final double DEVIATION = 0.1;
  private static final double EPSILON = 1e-5;

  private final String model;
  private final DecoderConfig config;
  private final Kernels kernels;
  private final int rows;
  private final String filter;
  private final TensorArena arena;
  private final SplittableRandom random = new SplittableRandom(5);
  private final List<KernelCase> cases = new ArrayList<>();

  private KernelCases(
      String model,
      DecoderConfig config,
      Kernels kernels,
      int rows,
      String filter,
      TensorArena arena) {
    this.model = model;
    this.config = config;
    this.kernels = kernels;
    this.rows = rows;
    this.filter = filter;
    this.arena = arena;
  }

  /**
   * The cases of a model whose name contains {@code filter}.
   *
   * @param arena holds their operands
   */
  static List<KernelCase> of(
      String model,
      DecoderConfig config,
      Kernels kernels,
      int rows,
      String filter,
      TensorArena arena) {
    KernelCases cases = new KernelCases(model, config, kernels, rows, filter, arena);
    cases.linears();
    cases.attention();
    cases.norms();
    cases.activation();
    return cases.cases;
  }

  private Tensor compute(long... shape) {
    return filled(arena.allocate(kernels.compute(), shape));
  }

  private Tensor wide(long... shape) {
    return filled(arena.allocate(kernels.wide(), shape));
  }

  private Tensor filled(Tensor tensor) {
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, DEVIATION * random.nextGaussian());
    }
    return tensor;
  }

  private String name(String kernel, String shape) {
    return "%s %s %s rows %d".formatted(kernel, model, shape, rows);
  }

  /** Operands are made only for what will run. */
  private boolean wanted(String shape, String... kernelsOfShape) {
    return Arrays.stream(kernelsOfShape).anyMatch(kernel -> name(kernel, shape).contains(filter));
  }

  private void add(String kernel, String shape, double work, Roof roof, Runnable run) {
    if (wanted(shape, kernel)) {
      cases.add(new KernelCase(name(kernel, shape), work, roof, run));
    }
  }

  private void linears() {
    DecoderConfig.AttentionOptions attention = config.attention();
    long width = config.width();
    long hidden = config.feedForward().width();
    if (attention.fused()) {
      linear(width, attention.queryWidth() + 2L * attention.keyWidth());
    } else {
      linear(width, attention.keyWidth());
    }
    linear(attention.queryWidth(), width);
    linear(width, hidden);
    linear(hidden, width);
    head(width, config.vocabularySize());
    for (int length : rows > EXAMPLE ? new int[] {EXAMPLE, rows} : new int[] {rows}) {
      trained(attention.queryWidth(), width, length);
      trained(width, hidden, length);
      trained(width, config.vocabularySize(), length);
    }
  }

  /** A matrix that is trained: its gradient plain, and what privacy needs, by examples. */
  private void trained(long in, long out, int length) {
    String shape = in + "x" + out + " T " + length;
    String sketched = shape + " m " + SKETCHES;
    if (!wanted(shape, "linear example_grad", "linear example_norm", "linear accumulate")
        && !wanted(sketched, "linear example_norm")) {
      return;
    }
    int examples = rows / length;
    long count = (long) examples * length;
    Tensor x = compute(count, in);
    Tensor dy = compute(count, out);
    Tensor starts = arena.allocate(DType.I32, examples + 1);
    for (int e = 0; e <= examples; e++) {
      starts.set(e, (long) e * length);
    }
    Tensor workspace =
        arena.allocate(
            kernels.wide(),
            Math.max(
                1,
                kernels.linear().workspace(kernels.compute(), count, examples, out, in, SKETCHES)));
    ClippedExamples clipped = new ClippedExamples(examples, kernels.wide(), arena);
    clipped.begin(examples, GRID_BITS);
    for (int e = 0; e < examples; e++) {
      clipped.set(e, 1, ClippedExamples.WHOLE);
    }
    Tensor sums = arena.allocate(DType.I32, out, in);
    Tensor gradient = arena.allocate(kernels.wide(), out, in);
    double products = 2.0 * count * in * out;
    double grams = (double) count * length * (in + out);
    add(
        "linear example_grad",
        shape,
        products,
        Roof.COMPUTE,
        () -> kernels.linear().exampleGrad(x, dy, 0, count, gradient, workspace));
    add(
        "linear example_norm",
        shape,
        Math.min(products, grams),
        Roof.COMPUTE,
        () -> {
          for (int e = 0; e < examples; e++) {
            long from = (long) e * length;
            kernels.linear().exampleNorm(dy, x, from, from + length, workspace);
          }
        });
    LinearWeights signs = kernels.linear().pack(wide(SKETCHES, out).fill(1), null, false, arena);
    add(
        "linear example_norm",
        sketched,
        2.0 * count * (in + out) * SKETCHES,
        Roof.COMPUTE,
        () -> {
          for (int e = 0; e < examples; e++) {
            long from = (long) e * length;
            kernels.linear().exampleNorm(dy, x, from, from + length, signs, null, 0, workspace);
          }
        });
    add(
        "linear accumulate",
        shape,
        products,
        Roof.COMPUTE,
        () -> kernels.linear().accumulate(dy, x, starts, clipped, null, sums, workspace));
  }

  /** A linear layer with its adapter, as training runs it. */
  private void linear(long in, long out) {
    String shape = in + "x" + out;
    if (!wanted(shape, "linear forward", "linear backward", "lora forward", "lora example_grad")) {
      return;
    }
    LinearWeights weights = kernels.linear().pack(wide(out, in), null, true, arena);
    LoraFactors factors = kernels.lora().allocate(RANK, in, out, arena);
    kernels.lora().pack(wide(RANK, in), wide(out, RANK), SCALE, factors);
    Tensor x = compute(rows, in);
    Tensor dy = compute(rows, out);
    Tensor u = compute(rows, RANK);
    Tensor du = compute(rows, RANK);
    Tensor y = compute(rows, out);
    Tensor dx = wide(rows, in);
    Tensor da = wide(RANK, in);
    Tensor db = wide(out, RANK);
    double products = 2.0 * rows * in * out;
    add(
        "linear forward",
        shape,
        products + 2.0 * rows * RANK * out,
        Roof.COMPUTE,
        () -> kernels.linear().forward(x, weights, u, factors, y, false));
    add(
        "linear backward",
        shape,
        products + 2.0 * rows * RANK * in,
        Roof.COMPUTE,
        () -> kernels.linear().backward(dy, weights, du, factors, dx, false));
    add(
        "lora forward",
        shape,
        2.0 * rows * RANK * in,
        Roof.COMPUTE,
        () -> kernels.lora().forward(x, factors, u));
    add(
        "lora example_grad",
        shape,
        2.0 * rows * RANK * (in + out),
        Roof.COMPUTE,
        () -> kernels.lora().exampleGrad(x, u, dy, du, 0, rows, da, db));
  }

  /** The output layer and its loss. */
  private void head(long in, long vocabulary) {
    String shape = in + "x" + vocabulary;
    String loss = "V " + vocabulary;
    if (!wanted(shape, "linear forward", "linear backward")
        && !wanted(loss, "crossentropy forward", "crossentropy backward")) {
      return;
    }
    LinearWeights weights = kernels.linear().pack(wide(vocabulary, in), null, true, arena);
    Tensor x = compute(rows, in);
    Tensor logits = wide(rows, vocabulary);
    Tensor dLogits = compute(rows, vocabulary);
    Tensor dx = wide(rows, in);
    Tensor nll = wide(rows);
    Tensor lse = wide(rows);
    Tensor each = wide(rows).fill(1.0 / rows);
    Tensor targets = arena.allocate(DType.I32, rows);
    for (long i = 0; i < rows; i++) {
      targets.set(i, random.nextLong(vocabulary));
    }
    double products = 2.0 * rows * in * vocabulary;
    double numbers = (double) rows * vocabulary;
    add(
        "linear forward",
        shape,
        products,
        Roof.COMPUTE,
        () -> kernels.linear().forward(x, weights, null, null, logits, false));
    add(
        "linear backward",
        shape,
        products,
        Roof.COMPUTE,
        () -> kernels.linear().backward(dLogits, weights, null, null, dx, false));
    add(
        "crossentropy forward",
        loss,
        numbers * bytes(logits),
        Roof.COPY,
        () -> kernels.crossentropy().forward(logits, targets, nll, lse));
    add(
        "crossentropy backward",
        loss,
        numbers * (bytes(logits) + bytes(dLogits)),
        Roof.COPY,
        () -> kernels.crossentropy().backward(logits, targets, each, lse, dLogits));
  }

  private static double bytes(Tensor tensor) {
    return tensor.type().bytes();
  }

  /** One example of all rows, and as many examples of a quarter of them. */
  private void attention() {
    DecoderConfig.AttentionOptions options = config.attention();
    Attention.Shape shape =
        Attention.Shape.causal(options.heads(), options.kvHeads(), options.scale());
    Tensor q = compute(rows, options.queryWidth());
    Tensor k = compute(rows, options.keyWidth());
    Tensor v = compute(rows, options.keyWidth());
    Tensor out = compute(rows, options.queryWidth());
    Tensor lse = wide(rows, options.heads());
    Tensor dOut = wide(rows, options.queryWidth());
    Tensor dq = compute(rows, options.queryWidth());
    Tensor dk = compute(rows, options.keyWidth());
    Tensor dv = compute(rows, options.keyWidth());
    for (int examples : new int[] {1, 4}) {
      int length = rows / examples;
      Tensor values = Spans.allocate(examples, arena);
      for (int e = 0; e < examples; e++) {
        Spans.set(values, e, e * length, length, e * length, length);
      }
      Spans spans = new Spans(values, examples);
      double pass = 2.0 * rows * length * options.queryWidth();
      add(
          "attention forward",
          "T " + length,
          pass,
          Roof.FLOAT32,
          () -> kernels.attention().forward(q, k, v, spans, shape, out, lse));
      add(
          "attention backward",
          "T " + length,
          2 * pass,
          Roof.FLOAT32,
          () -> kernels.attention().backward(q, k, v, out, dOut, lse, spans, shape, dq, dk, dv));
    }
  }

  private void norms() {
    long width = config.width();
    Tensor x = wide(rows, width);
    Tensor dy = wide(rows, width);
    Tensor dx = wide(rows, width);
    Tensor weight = wide(width).fill(1);
    Tensor bias = wide(width);
    Tensor y = compute(rows, width);
    Tensor mean = wide(rows);
    Tensor rstd = wide(rows);
    double numbers = (double) rows * width;
    double forward = numbers * (bytes(x) + bytes(y));
    double backward = 4 * numbers * bytes(x);
    String shape = "C " + width;
    if (config.norm().kind() == DecoderConfig.NormKind.RMSNORM) {
      add(
          "rmsnorm forward",
          shape,
          forward,
          Roof.COPY,
          () -> kernels.rmsnorm().forward(x, weight, EPSILON, y, rstd));
      add(
          "rmsnorm backward",
          shape,
          backward,
          Roof.COPY,
          () -> kernels.rmsnorm().backward(dy, x, weight, rstd, dx));
    } else {
      add(
          "layernorm forward",
          shape,
          forward,
          Roof.COPY,
          () -> kernels.layernorm().forward(x, weight, bias, EPSILON, y, mean, rstd));
      add(
          "layernorm backward",
          shape,
          backward,
          Roof.COPY,
          () -> kernels.layernorm().backward(dy, x, weight, mean, rstd, dx));
    }
  }

  private void activation() {
    long hidden = config.feedForward().width();
    Activation.Kind kind = config.feedForward().activation();
    Tensor gate = compute(rows, hidden);
    Tensor up = kind.gated() ? compute(rows, hidden) : null;
    Tensor out = compute(rows, hidden);
    Tensor dOut = wide(rows, hidden);
    Tensor dGate = compute(rows, hidden);
    Tensor dUp = kind.gated() ? compute(rows, hidden) : null;
    double numbers = (double) rows * hidden;
    double small = bytes(gate);
    String shape = "F " + hidden;
    add(
        "activation forward",
        shape,
        numbers * small * (kind.gated() ? 3 : 2),
        Roof.COPY,
        () -> kernels.activation().forward(kind, gate, up, out));
    add(
        "activation backward",
        shape,
        numbers * (bytes(dOut) + small * (kind.gated() ? 4 : 2)),
        Roof.COPY,
        () -> kernels.activation().backward(kind, gate, up, dOut, dGate, dUp));
  }

  /**
   * What clipping does to an example's gradient.
   *
   * @param size n, the trained parameters
   */
  static List<KernelCase> ofParameters(
      Kernels kernels, long size, String filter, TensorArena arena) {
    String norm = "clip example_norm n " + size;
    String accumulate = "clip accumulate n " + size;
    if (!norm.contains(filter) && !accumulate.contains(filter)) {
      return List.of();
    }
    SplittableRandom random = new SplittableRandom(6);
    Tensor source = arena.allocate(kernels.wide(), size);
    for (long i = 0; i < size; i++) {
      source.set(i, 1e-3 * random.nextGaussian());
    }
    // Integers already, so that a factor of 1 leaves them alike from run to run.
    Tensor gradient = arena.allocate(kernels.wide(), size);
    for (long i = 0; i < size; i++) {
      gradient.set(i, Math.rint(100 * random.nextGaussian()));
    }
    Tensor sums = arena.allocate(DType.I64, size);
    return List.of(
        new KernelCase(norm, 4.0 * size, Roof.COPY, () -> kernels.clip().exampleNorm(source)),
        new KernelCase(
            accumulate,
            28.0 * size,
            Roof.COPY,
            () -> kernels.clip().accumulate(gradient, 1, 1 << 20, sums)));
  }

  /** What optimizers do with a matrix of so many rows and columns, from sums of 32 bits. */
  static List<KernelCase> ofUpdates(
      Kernels kernels, long rows, long cols, String filter, TensorArena arena) {
    String shape = " " + rows + " x " + cols;
    String update = "optimizer update" + shape;
    String sgd = "optimizer sgd_update" + shape;
    String squares = "optimizer factored_accumulate" + shape;
    String factored = "optimizer factored_update" + shape;
    if (List.of(update, sgd, squares, factored).stream().noneMatch(name -> name.contains(filter))) {
      return List.of();
    }
    long size = rows * cols;
    SplittableRandom random = new SplittableRandom(7);
    Tensor sums = arena.allocate(DType.I32, rows, cols);
    for (long i = 0; i < size; i++) {
      sums.set(i, Math.rint(1e5 * random.nextGaussian()));
    }
    Tensor parameters = arena.allocate(kernels.wide(), rows, cols);
    Tensor first = arena.allocate(kernels.wide(), rows, cols);
    Tensor second = arena.allocate(kernels.wide(), rows, cols);
    Tensor rowFactors = arena.allocate(kernels.wide(), rows).fill(1);
    Tensor colFactors = arena.allocate(kernels.wide(), cols).fill(1);
    Tensor rowSums = arena.allocate(DType.F64, rows);
    Tensor colSums = arena.allocate(DType.F64, cols);
    Optimizer.AdamW adamW = new Optimizer.AdamW(1e-6, 0.9, 0.99, 1e-8, 0);
    Optimizer.Sgd plain = new Optimizer.Sgd(1e-6, 0, 0);
    Optimizer.Adafactor adafactor = Optimizer.Adafactor.of(1e-6);
    Optimizer optimizer = kernels.optimizer();
    return List.of(
        new KernelCase(
            update,
            28.0 * size,
            Roof.COPY,
            () -> optimizer.update(sums, 1e-5, adamW, 1, parameters, first, second)),
        new KernelCase(
            sgd,
            12.0 * size,
            Roof.COPY,
            () -> optimizer.sgdUpdate(sums, 1e-5, plain, parameters, null)),
        new KernelCase(
            squares,
            4.0 * size,
            Roof.COPY,
            () -> optimizer.factoredAccumulate(sums, 1e-5, null, null, rowSums, colSums)),
        new KernelCase(
            factored,
            12.0 * size,
            Roof.COPY,
            () ->
                optimizer.factoredUpdate(
                    sums, 1e-5, adafactor, rowFactors, colFactors, 1, parameters, null)));
  }
}
