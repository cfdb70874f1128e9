package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static palimpsest.engine.kernel.Fixture.array;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class PoolingTest {
  /** Lengths of the examples of a group. */
  private static final int[][] GROUPS = {{1}, {7}, {33}, {3, 0, 9}, {5, 13, 2, 1}};

  private static Spans spans(Fixture fixture, int... lengths) {
    Tensor values = Spans.allocate(lengths.length, fixture.arena());
    int start = 0;
    for (int e = 0; e < lengths.length; e++) {
      Spans.set(values, e, start, lengths[e], start, lengths[e]);
      start += lengths[e];
    }
    return new Spans(values, lengths.length);
  }

  /** Inputs x [N, C], dOut [E, C]; outputs out, dx. */
  private static Tensor[] run(Kernels kernels, Fixture fixture, Spans spans, Tensor... in) {
    Tensor out = fixture.empty(kernels.wide(), in[1].rows(), in[1].cols());
    Tensor dx = fixture.empty(kernels.wide(), in[0].rows(), in[0].cols());
    kernels.pooling().forward(in[0], spans, out);
    kernels.pooling().backward(in[1], spans, dx);
    return new Tensor[] {out, dx};
  }

  private static double[][] naive(Arithmetic a, int[] lengths, int cols, Tensor... in) {
    double[] x = array(in[0]);
    double[] dOut = array(in[1]);
    double[] out = new double[dOut.length];
    double[] dx = new double[x.length];
    int row = 0;
    for (int e = 0; e < lengths.length; e++) {
      for (int t = 0; t < lengths[e]; t++, row++) {
        for (int i = 0; i < cols; i++) {
          out[e * cols + i] = a.add(out[e * cols + i], x[row * cols + i]);
          dx[row * cols + i] = a.round(dOut[e * cols + i] / lengths[e]);
        }
      }
      for (int i = 0; i < cols && lengths[e] > 0; i++) {
        out[e * cols + i] = a.round(out[e * cols + i] / lengths[e]);
      }
    }
    return new double[][] {out, dx};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int[] lengths : GROUPS) {
      for (int cols : Fixture.OUTER) {
        try (Fixture fixture = new Fixture(kernels, cols, cols % 3 == 0)) {
          int rows = Arrays.stream(lengths).sum();
          Spans spans = spans(fixture, lengths);
          Tensor[] in = {fixture.wide(rows, cols), fixture.wide(lengths.length, cols)};
          tolerance.add(
              "width " + cols,
              Arrays.toString(lengths) + " x " + cols,
              "out dx",
              run(kernels, fixture, spans, in),
              run(Providers.REFERENCE, fixture, spans, fixture.exact(in)),
              naive(Arithmetic.of(kernels), lengths, cols, in));
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
      Spans spans = spans(fixture, 3, 0, 4);
      Tensor[] in = {fixture.wide(7, 5), fixture.wide(3, 5)};
      Tensor[] out = run(Providers.REFERENCE, fixture, spans, in);
      FiniteDifferences.check(
          "dx",
          () -> FiniteDifferences.inner(run(Providers.REFERENCE, fixture, spans, in)[0], in[1]),
          in[0],
          out[1]);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anExampleWithoutRowsIsZeroAndRowsOutsideAreLeftAlone(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 9)) {
      Tensor values = Spans.allocate(2, fixture.arena());
      Spans.set(values, 0, 2, 3, 2, 3);
      Spans.set(values, 1, 5, 0, 5, 0);
      Tensor[] out =
          run(kernels, fixture, new Spans(values, 2), fixture.wide(7, 18), fixture.wide(2, 18));
      for (int i = 0; i < 18; i++) {
        assertEquals(0, out[0].get(1, i));
        for (int n = 0; n < 7; n++) {
          assertEquals(n >= 2 && n < 5, !Double.isNaN(out[1].get(n, i)), "row " + n);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int length : new int[] {1, 3, 17}) {
        Tensor x = own.wide(length, 53);
        Tensor dOut = own.wide(1, 53);
        Invariance.check(
            kernels,
            length,
            place -> {
              // The rows before and after it are other examples, with gradients of their own.
              int before = place.at();
              int after = place.rows() - before - length;
              Spans spans = spans(place.fixture(), before, length, after);
              Tensor gradients = place.fixture().wide(3, 53);
              gradients.rows(1, 1).copyFrom(dOut);
              Tensor[] out = run(kernels, place.fixture(), spans, place.around(x), gradients);
              Tensor pooled = place.fixture().copy(out[0].rows(1, 1), kernels.wide());
              return place.join(place.allBits(pooled), place.ownBits(out[1]));
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void spansOutsideTheRowsAreRefused(Kernels kernels) {
    int[][] bad = {{5, 3}, {-1, 2}, {0, -1}, {Integer.MAX_VALUE, 1}};
    try (Fixture fixture = new Fixture(kernels, 7)) {
      for (int[] span : bad) {
        Tensor values = Spans.allocate(1, fixture.arena());
        Spans.set(values, 0, span[0], span[1], span[0], span[1]);
        Spans spans = new Spans(values, 1);
        Tensor x = fixture.wide(7, 8);
        Tensor out = fixture.wide(1, 8);
        assertThrows(
            IllegalArgumentException.class, () -> kernels.pooling().forward(x, spans, out));
        assertThrows(
            IllegalArgumentException.class, () -> kernels.pooling().backward(out, spans, x));
      }
      Spans one = spans(fixture, 7);
      Tensor narrow = fixture.empty(DType.F32, 1, 5);
      Tensor x = fixture.wide(7, 8);
      assertThrows(IllegalArgumentException.class, () -> kernels.pooling().forward(x, one, narrow));
    }
  }
}
