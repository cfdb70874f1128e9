package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static palimpsest.engine.kernel.Fixture.array;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Attention.Shape;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class AttentionTest {
  /** Heads, key-value heads, size of a head. */
  private static final int[][] HEADS = {{1, 1, 2}, {4, 2, 8}, {3, 3, 18}, {6, 1, 16}, {9, 3, 64}};

  /** Lengths of the examples of a group. */
  private static final int[][] GROUPS = {{1}, {2}, {7}, {33}, {3, 1, 9}, {5, 13, 2, 1}};

  /** In the place of a window: queries see all keys, later ones too. */
  private static final int ALL_KEYS = -1;

  private static final int[] WINDOWS = {0, 1, 5, ALL_KEYS};

  private static Shape shape(int[] heads, int window) {
    double scale = 1 / Math.sqrt(heads[2]);
    return new Shape(heads[0], heads[1], scale, Math.max(0, window), window != ALL_KEYS);
  }

  /** Spans of consecutive examples whose queries and keys are the same rows. */
  private static Spans spans(Fixture fixture, int... lengths) {
    Tensor values = Spans.allocate(lengths.length, fixture.arena());
    int start = 0;
    for (int i = 0; i < lengths.length; i++) {
      Spans.set(values, i, start, lengths[i], start, lengths[i]);
      start += lengths[i];
    }
    return new Spans(values, lengths.length);
  }

  /** Inputs q, k, v; outputs out, lse. */
  private static Tensor[] forward(
      Kernels kernels, Fixture fixture, Spans spans, Shape shape, Tensor... in) {
    Tensor out = fixture.empty(kernels.compute(), in[0].rows(), in[0].cols());
    Tensor lse = fixture.empty(kernels.wide(), in[0].rows(), shape.heads());
    kernels.attention().forward(in[0], in[1], in[2], spans, shape, out, lse);
    return new Tensor[] {out, lse};
  }

  /** Inputs q, k, v, dOut; outputs out, lse, dq, dk, dv. */
  private static Tensor[] run(
      Kernels kernels, Fixture fixture, Spans spans, Shape shape, DType type, Tensor... in) {
    Tensor[] forward = forward(kernels, fixture, spans, shape, in);
    Tensor out = forward[0];
    Tensor lse = forward[1];
    Tensor dq = fixture.empty(type, in[0].rows(), in[0].cols());
    Tensor dk = fixture.empty(type, in[1].rows(), in[1].cols());
    Tensor dv = fixture.empty(type, in[2].rows(), in[2].cols());
    kernels.attention().backward(in[0], in[1], in[2], out, in[3], lse, spans, shape, dq, dk, dv);
    return new Tensor[] {out, lse, dq, dk, dv};
  }

  private static Tensor[] inputs(Fixture fixture, int queries, int keys, int[] heads) {
    return new Tensor[] {
      fixture.compute(queries, (long) heads[0] * heads[2]),
      fixture.compute(keys, (long) heads[1] * heads[2]),
      fixture.compute(keys, (long) heads[1] * heads[2]),
      fixture.wide(queries, (long) heads[0] * heads[2])
    };
  }

  /** The whole computation in the naive arithmetic; probabilities are operands of products. */
  private static final class Naive {
    private final Arithmetic a;
    private final Shape shape;
    private final int size;
    private final double[] q;
    private final double[] k;
    private final double[] v;
    private final double[] dOut;
    private final double[] out;
    private final double[] lse;
    private final double[] dq;
    private final double[] dk;
    private final double[] dv;

    Naive(Arithmetic a, Spans spans, Shape shape, Tensor... in) {
      this.a = a;
      this.shape = shape;
      this.size = (int) in[0].cols() / shape.heads();
      q = array(in[0]);
      k = array(in[1]);
      v = array(in[2]);
      dOut = array(in[3]);
      out = new double[q.length];
      lse = new double[(int) in[0].rows() * shape.heads()];
      dq = new double[q.length];
      dk = new double[k.length];
      dv = new double[v.length];
      for (int b = 0; b < spans.count(); b++) {
        int offset = spans.keyCount(b) - spans.queryCount(b);
        for (int i = 0; i < spans.queryCount(b); i++) {
          int window = shape.window() == 0 ? Integer.MAX_VALUE : shape.window();
          int last = shape.causal() ? offset + i : spans.keyCount(b) - 1;
          int first = Math.max(0, last + 1 - window);
          for (int head = 0; head < shape.heads(); head++) {
            int start = spans.keyStart(b);
            query(spans.queryStart(b) + i, head, start + first, start + last);
          }
        }
      }
    }

    private int keyAt(int row, int head) {
      int group = shape.heads() / shape.kvHeads();
      return (row * shape.kvHeads() + head / group) * size;
    }

    private double score(int at, int key) {
      return a.mul(a.round(shape.scale()), a.dot(q, at, k, key, size));
    }

    /** One query of one head over the keys first .. last. */
    private void query(int row, int head, int first, int last) {
      int at = (row * shape.heads() + head) * size;
      double max = Double.NEGATIVE_INFINITY;
      for (int j = first; j <= last; j++) {
        max = Math.max(max, score(at, keyAt(j, head)));
      }
      double sum = 0;
      double[] values = new double[size];
      for (int j = first; j <= last; j++) {
        double p = a.round(Math.exp(a.add(score(at, keyAt(j, head)), -max)));
        sum = a.add(sum, p);
        a.addScaled(a.operand(p), v, keyAt(j, head), values, 0, size);
      }
      for (int d = 0; d < size; d++) {
        out[at + d] = a.operand(a.round(values[d] / sum));
      }
      double logSum = a.add(max, a.round(Math.log(sum)));
      lse[row * shape.heads() + head] = logSum;
      gradients(at, head, first, last, logSum);
    }

    private void gradients(int at, int head, int first, int last, double logSum) {
      double[] products = new double[size];
      for (int d = 0; d < size; d++) {
        products[d] = a.operand(dOut[at + d]);
      }
      double delta = a.dot(dOut, at, out, at, size);
      for (int j = first; j <= last; j++) {
        int key = keyAt(j, head);
        double p = a.round(Math.exp(a.add(score(at, key), -logSum)));
        double dp = a.add(a.dot(products, 0, v, key, size), -delta);
        double ds = a.operand(a.mul(a.mul(p, dp), a.round(shape.scale())));
        a.addScaled(ds, k, key, dq, at, size);
        a.addScaled(ds, q, at, dk, key, size);
        a.addScaled(a.operand(p), products, 0, dv, key, size);
      }
    }

    double[][] results() {
      return new double[][] {out, lse, dq, dk, dv};
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    int turn = 0;
    for (int[] heads : HEADS) {
      for (int[] lengths : GROUPS) {
        for (int window : WINDOWS) {
          try (Fixture fixture = new Fixture(kernels, turn, turn++ % 2 == 0)) {
            Shape shape = shape(heads, window);
            Spans spans = spans(fixture, lengths);
            int rows = Arrays.stream(lengths).sum();
            Tensor[] in = inputs(fixture, rows, rows, heads);
            Tensor[] expected =
                run(Providers.REFERENCE, fixture, spans, shape, DType.F64, fixture.exact(in));
            double[][] naive = new Naive(Arithmetic.of(kernels), spans, shape, in).results();
            String size = shape + " of " + heads[2] + ", " + Arrays.toString(lengths);
            for (DType type : new DType[] {kernels.compute(), kernels.wide()}) {
              Tensor[] actual = run(kernels, fixture, spans, shape, type, in);
              tolerance.add(
                  "heads " + heads[0] + " over " + heads[1] + " of " + heads[2],
                  size,
                  "out lse dq dk dv",
                  actual,
                  expected,
                  naive);
            }
          }
        }
      }
    }
    tolerance.verify();
  }

  /** Keys before the queries' own: what a cache holds. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void cachedKeysAreSeenAsExactlyAsByANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int[] heads : HEADS) {
      for (int window : WINDOWS) {
        try (Fixture fixture = new Fixture(kernels, 3)) {
          Shape shape = shape(heads, window);
          // Streams lie apart in the cache, in another order than their queries.
          Tensor values = Spans.allocate(3, fixture.arena());
          Spans.set(values, 0, 0, 1, 50, 33);
          Spans.set(values, 1, 1, 1, 2, 1);
          Spans.set(values, 2, 2, 3, 10, 20);
          Spans spans = new Spans(values, 3);
          Tensor[] in = inputs(fixture, 5, 90, heads);
          Tensor[] expected =
              forward(Providers.REFERENCE, fixture, spans, shape, fixture.exact(in));
          double[][] naive = new Naive(Arithmetic.of(kernels), spans, shape, in).results();
          Tensor[] actual = forward(kernels, fixture, spans, shape, in);
          double[][] outputs = {naive[0], naive[1]};
          tolerance.add(
              "heads " + heads[0] + " over " + heads[1] + " of " + heads[2],
              shape + " of " + heads[2],
              "out lse",
              actual,
              expected,
              outputs);
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    List<Shape> shapes = new ArrayList<>();
    for (int[] heads : new int[][] {{2, 2, 4}, {4, 2, 4}, {3, 1, 2}}) {
      for (int window : new int[] {0, 3, ALL_KEYS}) {
        shapes.add(shape(heads, window));
      }
    }
    for (Shape shape : shapes) {
      Kernels kernels = Providers.REFERENCE;
      try (Fixture fixture = new Fixture(kernels, 5)) {
        int size = (int) Math.round(1 / (shape.scale() * shape.scale()));
        Spans spans = spans(fixture, 5, 1, 3);
        Tensor[] in = inputs(fixture, 9, 9, new int[] {shape.heads(), shape.kvHeads(), size});
        Tensor[] out = run(kernels, fixture, spans, shape, DType.F64, in);
        String[] names = {"dq", "dk", "dv"};
        for (int i = 0; i < 3; i++) {
          FiniteDifferences.check(
              names[i] + " " + shape, () -> loss(spans, shape, in), in[i], out[2 + i]);
        }
      }
    }
  }

  private static double loss(Spans spans, Shape shape, Tensor[] in) {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 0)) {
      Tensor out = forward(Providers.REFERENCE, fixture, spans, shape, in)[0];
      return FiniteDifferences.inner(out, in[3]);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aWindowOfOneCopiesTheValue(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 8)) {
      Tensor[] in = inputs(fixture, 7, 7, new int[] {4, 2, 8});
      Shape shape = shape(new int[] {4, 2, 8}, 1);
      Tensor out = forward(kernels, fixture, spans(fixture, 4, 3), shape, in)[0];
      for (int n = 0; n < 7; n++) {
        for (int i = 0; i < 32; i++) {
          assertEquals(in[2].get(n, i / 16 * 8 + i % 8), out.get(n, i));
        }
      }
    }
  }

  /** Only causal attention tells places apart: the others see the same keys, in whatever order. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void withoutACauseTheFirstQuerySeesTheLastKey(Kernels kernels) {
    int[] heads = {2, 2, 8};
    try (Fixture fixture = new Fixture(kernels, 11)) {
      Tensor[] in = inputs(fixture, 9, 9, heads);
      Spans spans = spans(fixture, 9);
      for (int window : new int[] {0, ALL_KEYS}) {
        double before = forward(kernels, fixture, spans, shape(heads, window), in)[0].get(0, 0);
        Tensor[] changed = in.clone();
        changed[2] = fixture.copy(in[2], kernels.compute());
        changed[2].set(8, 0, 100);
        double after = forward(kernels, fixture, spans, shape(heads, window), changed)[0].get(0, 0);
        assertEquals(window == ALL_KEYS, before != after);
      }
      Shape bad = new Shape(2, 2, 0.3, 5, false);
      assertThrows(IllegalArgumentException.class, () -> forward(kernels, fixture, spans, bad, in));
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void rowsOutsideEverySpanAreLeftAlone(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 9)) {
      Tensor[] in = inputs(fixture, 9, 9, new int[] {4, 2, 8});
      Tensor values = Spans.allocate(1, fixture.arena());
      Spans.set(values, 0, 2, 5, 2, 5);
      Spans spans = new Spans(values, 1);
      Shape shape = shape(new int[] {4, 2, 8}, 0);
      for (Tensor output : run(kernels, fixture, spans, shape, kernels.wide(), in)) {
        for (int n = 0; n < 9; n++) {
          boolean inside = n >= 2 && n < 7;
          assertEquals(inside, !Double.isNaN(output.get(n, 0)), "row " + n);
        }
      }
    }
  }

  /** Large scores: a softmax that does not subtract its maximum overflows. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void largeScoresDoNotOverflow(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 10)) {
      int[] heads = {2, 1, 16};
      Tensor[] in = inputs(fixture, 13, 13, heads);
      for (Tensor tensor : new Tensor[] {in[0], in[1]}) {
        for (int i = 0; i < tensor.size(); i++) {
          tensor.set(i, 32 * tensor.get(i));
        }
      }
      Spans spans = spans(fixture, 13);
      for (Tensor output : run(kernels, fixture, spans, shape(heads, 0), kernels.wide(), in)) {
        for (double value : array(output)) {
          assertEquals(value, value, "NaN");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariantWithAndWithoutNeighbouringSpans(Kernels kernels) {
    int[] heads = {4, 2, 16};
    for (int window : new int[] {0, 5, ALL_KEYS}) {
      Shape shape = shape(heads, window);
      try (Fixture own = new Fixture(kernels, 6)) {
        for (int length : new int[] {1, 2, 3, 17}) {
          Tensor[] in = inputs(own, length, length, heads);
          for (boolean neighbours : new boolean[] {false, true}) {
            Invariance.check(
                kernels,
                length,
                place -> {
                  Spans spans = neighbours ? between(place) : alone(place);
                  Tensor[] placed = new Tensor[in.length];
                  for (int i = 0; i < in.length; i++) {
                    placed[i] = place.around(in[i]);
                  }
                  DType type = kernels.wide();
                  return place.ownBits(run(kernels, place.fixture(), spans, shape, type, placed));
                });
          }
        }
      }
    }
  }

  private static Spans alone(Invariance.Placement place) {
    Tensor values = Spans.allocate(1, place.fixture().arena());
    Spans.set(values, 0, place.at(), place.length(), place.at(), place.length());
    return new Spans(values, 1);
  }

  /** The example's span, and the rows before and after it as two other examples. */
  private static Spans between(Invariance.Placement place) {
    int before = place.at();
    int after = place.rows() - place.at() - place.length();
    return new Spans(spans(place.fixture(), before, place.length(), after).values(), 3);
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void newQueriesOverACacheAreBatchInvariant(Kernels kernels) {
    int[] heads = {4, 2, 16};
    Shape shape = shape(heads, 0);
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int keys : new int[] {1, 3, 37}) {
        Tensor[] in = inputs(own, 1, keys, heads);
        Invariance.check(
            kernels,
            1,
            place -> {
              // Everyone's keys lie in one cache, each stream's as far along as its query.
              Fixture fixture = place.fixture();
              Tensor values = Spans.allocate(place.rows(), fixture.arena());
              Tensor cacheKeys = fixture.empty(kernels.compute(), 40L * place.rows(), 32);
              Tensor cacheValues = fixture.empty(kernels.compute(), 40L * place.rows(), 32);
              for (int n = 0; n < place.rows(); n++) {
                int count = n == place.at() ? keys : 1 + n % 40;
                Spans.set(values, n, n, 1, 40 * n, count);
              }
              cacheKeys.rows(40L * place.at(), keys).copyFrom(in[1]);
              cacheValues.rows(40L * place.at(), keys).copyFrom(in[2]);
              Spans spans = new Spans(values, place.rows());
              Tensor query = place.around(in[0]);
              return place.ownBits(
                  forward(kernels, fixture, spans, shape, query, cacheKeys, cacheValues));
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void spansOutsideTheRowsAreRefused(Kernels kernels) {
    int[][] bad = {{0, 4, 0, 3}, {5, 3, 5, 3}, {0, 3, 5, 3}, {-1, 2, 0, 2}, {0, -1, 0, 2}};
    try (Fixture fixture = new Fixture(kernels, 7)) {
      Tensor[] in = inputs(fixture, 7, 7, new int[] {4, 2, 8});
      for (int[] span : bad) {
        Tensor values = Spans.allocate(1, fixture.arena());
        Spans.set(values, 0, span[0], span[1], span[2], span[3]);
        Spans spans = new Spans(values, 1);
        Shape shape = shape(new int[] {4, 2, 8}, 0);
        assertThrows(
            IllegalArgumentException.class, () -> forward(kernels, fixture, spans, shape, in));
      }
    }
  }
}
