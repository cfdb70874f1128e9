package palimpsest.engine.kernel.reference;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.kernel.Linear;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * {@link Linear} in float64. Weights are kept in the type they came in, which is exact and small,
 * and widened a row at a time. Every output element is one sum in the order of its index; only
 * different elements are computed side by side.
 */
final class LinearReference implements Linear {
  /** Weight rows a task takes. */
  private static final int WEIGHT_CHUNK = 64;

  /** Rows of dx a task keeps while it walks the weights. */
  private static final int ROW_CHUNK = 8;

  /** W [P, K] and its bias [P] or null, unrounded. */
  private static final class Packed implements LinearWeights {
    Tensor values;
    final double[] bias;
    final boolean hasBackward;

    /** What it shares the matrix with, if its bias is {@link #packBias}'s to set. */
    final Packed base;

    Packed(Tensor values, double[] bias, boolean hasBackward, Packed base) {
      this.values = values;
      this.bias = bias;
      this.hasBackward = hasBackward;
      this.base = base;
    }

    /** The matrix, which new values of the base replace. */
    Tensor values() {
      return base == null ? values : base.values();
    }

    @Override
    public long in() {
      return values().cols();
    }

    @Override
    public long out() {
      return values().rows();
    }

    @Override
    public boolean hasBackward() {
      return hasBackward;
    }
  }

  @Override
  public LinearWeights pack(Tensor weight, Tensor bias, boolean backward, TensorArena arena) {
    Check.type("weight", weight, DType.F64, DType.F32, DType.BF16, DType.F16);
    if (bias != null) {
      Check.type("bias", bias, DType.F64, DType.F32, DType.BF16, DType.F16);
      Check.vector("bias", bias, weight.rows());
    }
    Tensor copy = arena.allocate(weight.type(), weight.rows(), weight.cols()).copyFrom(weight);
    return new Packed(copy, bias == null ? null : Rows.all(bias), backward, null);
  }

  /** Those in a narrower type get memory of their own: nothing is rounded here. */
  @Override
  public void repack(Tensor weight, boolean inputMajor, Tensor bias, LinearWeights into) {
    Packed to = Check.own("into", into, Packed.class);
    if (bias != null && to.bias == null || to.base != null) {
      throw new IllegalArgumentException("these weights have no bias of their own");
    }
    if (bias != null) {
      Check.vector("bias", bias, to.out());
    }
    if (weight != null) {
      repack(weight, inputMajor, to);
    }
    if (bias != null) {
      System.arraycopy(Rows.all(bias), 0, to.bias, 0, to.bias.length);
    }
  }

  private static void repack(Tensor weight, boolean inputMajor, Packed to) {
    Check.type("weight", weight, DType.F64, DType.F32);
    Check.matrix(
        "weight", weight, inputMajor ? to.in() : to.out(), inputMajor ? to.out() : to.in());
    if (to.values.type() != DType.F64) {
      double[] wide = new double[Math.toIntExact(to.values.size())];
      to.values =
          Tensor.of(MemorySegment.ofArray(wide), DType.F64, to.values.rows(), to.values.cols());
    }
    for (long p = 0; p < to.out(); p++) {
      for (long k = 0; k < to.in(); k++) {
        to.values.set(p, k, inputMajor ? weight.get(k, p) : weight.get(p, k));
      }
    }
  }

  @Override
  public LinearWeights withBias(LinearWeights weights, TensorArena arena) {
    Packed packed = Check.own("weights", weights, Packed.class);
    return new Packed(null, new double[(int) packed.out()], packed.hasBackward, packed);
  }

  @Override
  public void packBias(Tensor added, LinearWeights weights) {
    Packed to = Check.own("weights", weights, Packed.class);
    Packed from = to.base;
    if (from == null) {
      throw new IllegalArgumentException("the weights were not made by withBias");
    }
    Check.vector("added", added, from.out());
    for (int p = 0; p < to.bias.length; p++) {
      to.bias[p] = (from.bias == null ? 0 : from.bias[p]) + added.get(p);
    }
  }

  @Override
  public void forward(
      Tensor x, LinearWeights weights, Tensor u, LoraFactors factors, Tensor y, boolean add) {
    Packed packed = Check.own("weights", weights, Packed.class);
    Check.matrix("x", x, x.rows(), packed.in());
    Check.matrix("y", y, x.rows(), packed.out());
    LoraReference.Factors adapter = adapter(packed, "u", u, factors, x.rows());
    int in = (int) packed.in();
    int rows = (int) x.rows();
    double[] xs = Rows.all(x);
    double[] us = adapter == null ? null : Rows.all(u);
    long work = packed.in() * packed.out() * rows;
    Parallel.ranges(
        (int) packed.out(),
        WEIGHT_CHUNK,
        work,
        (from, to) -> {
          double[] w = new double[in];
          double[] b = adapter == null ? null : new double[adapter.rank()];
          double[] sums = new double[rows];
          for (int p = from; p < to; p++) {
            Arrays.fill(sums, 0);
            Rows.read(packed.values(), p, w, 0);
            addProducts(xs, w, sums);
            if (adapter != null) {
              Rows.read(adapter.b(), p, b, 0);
              addProducts(us, b, sums);
            }
            double bias = packed.bias == null ? 0 : packed.bias[p];
            for (int n = 0; n < rows; n++) {
              double sum = sums[n] + bias;
              y.set(n, p, add ? y.get(n, p) + sum : sum);
            }
          }
        });
  }

  /**
   * {@code sums[n] += x[n] · w}, term by term in the order of w. Four rows go side by side to keep
   * four independent additions in flight; Java never fuses or reorders, so the bits are those of
   * the plain loop.
   */
  private static void addProducts(double[] x, double[] w, double[] sums) {
    int length = w.length;
    int n = 0;
    for (; n + 4 <= sums.length; n += 4) {
      int at = n * length;
      double a = sums[n];
      double b = sums[n + 1];
      double c = sums[n + 2];
      double d = sums[n + 3];
      for (int k = 0; k < length; k++) {
        double value = w[k];
        a += x[at + k] * value;
        b += x[at + length + k] * value;
        c += x[at + 2 * length + k] * value;
        d += x[at + 3 * length + k] * value;
      }
      sums[n] = a;
      sums[n + 1] = b;
      sums[n + 2] = c;
      sums[n + 3] = d;
    }
    for (; n < sums.length; n++) {
      double sum = sums[n];
      for (int k = 0; k < length; k++) {
        sum += x[n * length + k] * w[k];
      }
      sums[n] = sum;
    }
  }

  @Override
  public void backward(
      Tensor dy, LinearWeights weights, Tensor du, LoraFactors factors, Tensor dx, boolean add) {
    Packed packed = Check.own("weights", weights, Packed.class);
    if (!packed.hasBackward) {
      throw new IllegalArgumentException("the weights were packed without backward");
    }
    Check.matrix("dy", dy, dy.rows(), packed.out());
    Check.matrix("dx", dx, dy.rows(), packed.in());
    LoraReference.Factors adapter = adapter(packed, "du", du, factors, dy.rows());
    long work = packed.in() * packed.out() * dy.rows();
    Parallel.ranges(
        (int) dy.rows(),
        ROW_CHUNK,
        work,
        (from, to) -> {
          int in = (int) packed.in();
          double[] sums = new double[(to - from) * in];
          addTransposed(dy, packed.values(), from, to, sums);
          if (adapter != null) {
            addTransposed(du, adapter.a(), from, to, sums);
          }
          for (int n = from; n < to; n++) {
            if (add) {
              Rows.add(dx, n, sums, (n - from) * in);
            } else {
              Rows.write(dx, n, sums, (n - from) * in);
            }
          }
        });
  }

  /** {@code sums[n - from] += sum over p of left[n, p] * right[p]} for n in [from, to). */
  private static void addTransposed(Tensor left, Tensor right, int from, int to, double[] sums) {
    int cols = (int) right.cols();
    int terms = (int) right.rows();
    double[] lefts = Rows.range(left, from, to);
    double[] row = new double[cols];
    for (int p = 0; p < terms; p++) {
      Rows.read(right, p, row, 0);
      for (int n = 0; n < to - from; n++) {
        Rows.axpy(lefts[n * terms + p], row, 0, sums, n * cols, cols);
      }
    }
  }

  @Override
  public void exampleGrad(
      Tensor x, Tensor dy, long from, long to, Tensor dWeight, Tensor workspace) {
    Check.matrix("dy", dy, x.rows(), dWeight.rows());
    Check.matrix("dWeight", dWeight, dWeight.rows(), x.cols());
    Check.range(from, to, x.rows());
    int in = Math.toIntExact(x.cols());
    int out = Math.toIntExact(dy.cols());
    int rows = (int) (to - from);
    double[] xs = Rows.range(x, from, to);
    double[] dys = Rows.range(dy, from, to);
    Parallel.ranges(
        out,
        WEIGHT_CHUNK,
        (long) rows * in * out,
        (first, last) -> {
          double[] sum = new double[in];
          for (int p = first; p < last; p++) {
            Arrays.fill(sum, 0);
            for (int n = 0; n < rows; n++) {
              Rows.axpy(dys[n * out + p], xs, n * in, sum, 0, in);
            }
            Rows.add(dWeight, p, sum, 0);
          }
        });
  }

  @Override
  public void biasExampleGrad(Tensor dy, long from, long to, Tensor dBias) {
    Check.vector("dBias", dBias, dy.cols());
    Check.range(from, to, dy.rows());
    int out = Math.toIntExact(dy.cols());
    double[] dys = Rows.range(dy, from, to);
    double[] sum = new double[out];
    for (int n = 0; n < to - from; n++) {
      Rows.axpy(1, dys, n * out, sum, 0, out);
    }
    Rows.addAll(dBias, sum);
  }

  @Override
  public long workspace(DType type, long rows, int examples, long left, long right, long sketches) {
    return 0;
  }

  @Override
  public double exampleNorm(Tensor left, Tensor right, long from, long to, Tensor workspace) {
    Check.matrix("right", right, left.rows(), right.cols());
    Check.range(from, to, left.rows());
    double sum = 0;
    for (double g : product(left, right, from, to)) {
      sum += g * g;
    }
    return sum;
  }

  @Override
  public double exampleNorm(
      Tensor left,
      Tensor right,
      long from,
      long to,
      LinearWeights vectors,
      EmbeddingRows more,
      int example,
      Tensor workspace) {
    Packed packed = Check.own("vectors", vectors, Packed.class);
    Check.matrix("left", left, right.rows(), packed.in());
    Check.range(from, to, left.rows());
    int cols = Math.toIntExact(right.cols());
    int rows = Math.toIntExact(left.cols());
    double[] gradient = product(left, right, from, to);
    if (more != null) {
      EmbeddingReference.addRows(more, example, gradient, rows);
    }
    double[] v = new double[rows];
    double sum = 0;
    for (long r = 0; r < packed.out(); r++) {
      Rows.read(packed.values(), r, v, 0);
      double[] sketch = new double[cols];
      for (int i = 0; i < rows; i++) {
        Rows.axpy(v[i], gradient, i * cols, sketch, 0, cols);
      }
      for (double value : sketch) {
        sum += value * value;
      }
    }
    return sum / packed.out();
  }

  /** {@code sum left[n] ⊗ right[n]} over n in [from, to), row by row. */
  static double[] product(Tensor left, Tensor right, long from, long to) {
    int cols = Math.toIntExact(right.cols());
    int rows = Math.toIntExact(left.cols());
    double[] lefts = Rows.range(left, from, to);
    double[] rights = Rows.range(right, from, to);
    double[] product = new double[Math.multiplyExact(rows, cols)];
    Parallel.ranges(
        rows,
        WEIGHT_CHUNK,
        (to - from) * rows * cols,
        (first, last) -> {
          for (int p = first; p < last; p++) {
            for (int n = 0; n < to - from; n++) {
              Rows.axpy(lefts[n * rows + p], rights, n * cols, product, p * cols, cols);
            }
          }
        });
    return product;
  }

  @Override
  public void accumulate(
      Tensor left,
      Tensor right,
      Tensor starts,
      ClippedExamples examples,
      EmbeddingRows more,
      Tensor sums,
      Tensor workspace) {
    Check.matrix("right", right, left.rows(), right.cols());
    Check.type("sums", sums, DType.I32);
    Check.matrix("sums", sums, left.cols(), right.cols());
    for (int e = 0; e < examples.count(); e++) {
      long from = starts.getLong(e);
      long to = starts.getLong(e + 1);
      Check.range(from, to, left.rows());
      if (examples.ratios().getLong(e) != 0 && examples.enters(e)) {
        double[] gradient = product(left, right, from, to);
        if (more != null) {
          EmbeddingReference.addRows(more, e, gradient, Math.toIntExact(sums.rows()));
        }
        enter(gradient, examples, e, sums);
      }
    }
  }

  /** An example's gradient into the sums; the factor's product is one operation of its type. */
  static void enter(double[] gradient, ClippedExamples examples, int example, Tensor sums) {
    boolean single = examples.factors().type() == DType.F32;
    double factor = examples.factors().get(example);
    long ratio = examples.ratios().getLong(example);
    long total = examples.total(example);
    for (int i = 0; i < gradient.length; i++) {
      double product = single ? (float) factor * (float) gradient[i] : factor * gradient[i];
      long z = ClipReference.integer(product, 1L << examples.bits());
      total = ClipReference.addTotal(total, z * z);
      long row = i / sums.cols();
      long col = i % sums.cols();
      sums.set(row, col, (int) ((long) sums.get(row, col) + ClipReference.share(z, ratio)));
    }
    examples.totals().setLong(example, total);
  }

  /** The adapter of this call, or null; its shapes are checked against the layer's. */
  private static LoraReference.Factors adapter(
      Packed packed, String what, Tensor low, LoraFactors factors, long rows) {
    if ((low == null) != (factors == null)) {
      throw new IllegalArgumentException(what + " and factors must both be given or both be null");
    }
    if (factors == null) {
      return null;
    }
    LoraReference.Factors own = LoraReference.own(factors);
    if (own.in() != packed.in() || own.out() != packed.out()) {
      throw new IllegalArgumentException(
          "factors are for "
              + own.in()
              + " -> "
              + own.out()
              + ", the layer is "
              + packed.in()
              + " -> "
              + packed.out());
    }
    Check.matrix(what, low, rows, own.rank());
    return own;
  }

  @Override
  public void round(Tensor from, Tensor to) {
    to.copyFrom(from);
  }
}
