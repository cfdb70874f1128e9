package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.kernel.Attention;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.Tensor;

/** {@link Attention} in float64, one query and one head at a time. */
final class AttentionReference implements Attention {
  @Override
  public void forward(
      Tensor q, Tensor k, Tensor v, Spans spans, Shape shape, Tensor out, Tensor lse) {
    Layout layout = Layout.of(q, k, v, shape);
    Check.matrix("out", out, q.rows(), q.cols());
    if (lse != null) {
      Check.matrix("lse", lse, q.rows(), shape.heads());
    }
    double[] values = new double[layout.size];
    for (int example = 0; example < spans.count(); example++) {
      Span span = Span.of(spans, example, q.rows(), k.rows(), shape.causal());
      double[] qs = span.queries(q);
      double[] ks = span.keys(k);
      double[] vs = span.keys(v);
      double[] scores = new double[span.keyCount];
      for (int head = 0; head < shape.heads(); head++) {
        for (int i = 0; i < span.queryCount; i++) {
          int last = span.lastKey(i);
          int first = layout.firstKey(last);
          double logSum = scores(layout, qs, ks, head, i, first, last, scores);
          Arrays.fill(values, 0);
          for (int j = first; j <= last; j++) {
            double probability = StrictMath.exp(scores[j] - logSum);
            Rows.axpy(probability, vs, layout.keyAt(j, head), values, 0, layout.size);
          }
          for (int d = 0; d < layout.size; d++) {
            out.set(span.queryStart + i, (long) head * layout.size + d, values[d]);
          }
          if (lse != null) {
            lse.set(span.queryStart + i, head, logSum);
          }
        }
      }
    }
  }

  /**
   * Fills {@code scores[first .. last]} of query i; returns the log of their sum of exponentials.
   */
  private static double scores(
      Layout layout,
      double[] qs,
      double[] ks,
      int head,
      int i,
      int first,
      int last,
      double[] scores) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = first; j <= last; j++) {
      scores[j] =
          layout.scale * dot(qs, layout.queryAt(i, head), ks, layout.keyAt(j, head), layout.size);
      max = Math.max(max, scores[j]);
    }
    double sum = 0;
    for (int j = first; j <= last; j++) {
      sum += StrictMath.exp(scores[j] - max);
    }
    return max + StrictMath.log(sum);
  }

  @Override
  public void backward(
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor dOut,
      Tensor lse,
      Spans spans,
      Shape shape,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    Layout layout = Layout.of(q, k, v, shape);
    Check.matrix("out", out, q.rows(), q.cols());
    Check.matrix("dOut", dOut, q.rows(), q.cols());
    Check.matrix("lse", lse, q.rows(), shape.heads());
    Check.matrix("dq", dq, q.rows(), q.cols());
    Check.matrix("dk", dk, k.rows(), k.cols());
    Check.matrix("dv", dv, v.rows(), v.cols());
    for (int example = 0; example < spans.count(); example++) {
      Span span = Span.of(spans, example, q.rows(), k.rows(), shape.causal());
      if (span.queryStart != span.keyStart || span.queryCount != span.keyCount) {
        throw new IllegalArgumentException(
            "backward needs spans whose queries and keys are the same rows");
      }
      Gradients gradients = new Gradients(layout, span, q, k, v, out, dOut, lse);
      for (int head = 0; head < shape.heads(); head++) {
        for (int i = 0; i < span.queryCount; i++) {
          gradients.add(head, i);
        }
      }
      span.write(dq, gradients.dq);
      span.write(dk, gradients.dk);
      span.write(dv, gradients.dv);
    }
  }

  /** One example's operands and the gradients they give. */
  private static final class Gradients {
    private final Layout layout;
    private final Span span;
    private final double[] qs;
    private final double[] ks;
    private final double[] vs;
    private final double[] outs;
    private final double[] dOuts;
    private final double[] lses;
    private final double[] dq;
    private final double[] dk;
    private final double[] dv;

    Gradients(
        Layout layout,
        Span span,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor out,
        Tensor dOut,
        Tensor lse) {
      this.layout = layout;
      this.span = span;
      qs = span.queries(q);
      ks = span.keys(k);
      vs = span.keys(v);
      outs = span.queries(out);
      dOuts = span.queries(dOut);
      lses = span.queries(lse);
      dq = new double[qs.length];
      dk = new double[ks.length];
      dv = new double[vs.length];
    }

    /**
     * What query i of one head gives: with P = exp(S - lse), dP = dO Vᵀ and D = dO · O, dS = P (dP
     * - D) (Dao et al. 2022, algorithm 4).
     */
    void add(int head, int i) {
      int size = layout.size;
      int at = layout.queryAt(i, head);
      double logSum = lses[i * layout.heads + head];
      double delta = dot(dOuts, at, outs, at, size);
      int last = span.lastKey(i);
      for (int j = layout.firstKey(last); j <= last; j++) {
        int key = layout.keyAt(j, head);
        double p = StrictMath.exp(layout.scale * dot(qs, at, ks, key, size) - logSum);
        double dScore = layout.scale * p * (dot(dOuts, at, vs, key, size) - delta);
        Rows.axpy(dScore, ks, key, dq, at, size);
        Rows.axpy(dScore, qs, at, dk, key, size);
        Rows.axpy(p, dOuts, at, dv, key, size);
      }
    }
  }

  /** Where heads lie in rows. */
  private record Layout(int heads, int kvHeads, int size, double scale, int window) {
    static Layout of(Tensor q, Tensor k, Tensor v, Shape shape) {
      int heads = shape.heads();
      int kvHeads = shape.kvHeads();
      if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0 || q.cols() % heads != 0) {
        throw new IllegalArgumentException(
            heads + " heads over " + kvHeads + " key-value heads do not fit rows of " + q.cols());
      }
      if (shape.window() < 0 || !shape.causal() && shape.window() > 0) {
        throw new IllegalArgumentException(
            "window " + shape.window() + " is negative, or of attention that is not causal");
      }
      int size = Math.toIntExact(q.cols() / heads);
      Check.matrix("k", k, k.rows(), (long) kvHeads * size);
      Check.matrix("v", v, k.rows(), (long) kvHeads * size);
      return new Layout(heads, kvHeads, size, shape.scale(), shape.window());
    }

    int queryAt(int i, int head) {
      return (i * heads + head) * size;
    }

    int keyAt(int j, int head) {
      return (j * kvHeads + head * kvHeads / heads) * size;
    }

    int firstKey(int last) {
      return window == 0 ? 0 : Math.max(0, last - window + 1);
    }
  }

  /** One example's rows. */
  private record Span(int queryStart, int queryCount, int keyStart, int keyCount, boolean causal) {
    static Span of(Spans spans, int example, long queryRows, long keyRows, boolean causal) {
      Span span =
          new Span(
              spans.queryStart(example),
              spans.queryCount(example),
              spans.keyStart(example),
              spans.keyCount(example),
              causal);
      Check.range(span.queryStart, (long) span.queryStart + span.queryCount, queryRows);
      Check.range(span.keyStart, (long) span.keyStart + span.keyCount, keyRows);
      if (span.keyCount < span.queryCount) {
        throw new IllegalArgumentException(
            span.queryCount + " queries over " + span.keyCount + " keys: a query would see no key");
      }
      return span;
    }

    /** The last key, counted in the example, that query i sees. */
    int lastKey(int i) {
      return causal ? keyCount - queryCount + i : keyCount - 1;
    }

    double[] queries(Tensor tensor) {
      return Rows.range(tensor, queryStart, queryStart + queryCount);
    }

    double[] keys(Tensor tensor) {
      return Rows.range(tensor, keyStart, keyStart + keyCount);
    }

    void write(Tensor tensor, double[] values) {
      for (int n = 0; n < queryCount; n++) {
        Rows.write(tensor, queryStart + n, values, n * Math.toIntExact(tensor.cols()));
      }
    }
  }

  private static double dot(double[] a, int aOffset, double[] b, int bOffset, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += a[aOffset + i] * b[bOffset + i];
    }
    return sum;
  }
}
