package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static palimpsest.engine.kernel.Fixture.array;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class ConvolutionTest {
  /** Words of the texts of a group; some have no window. */
  private static final int[][] GROUPS = {{1}, {7}, {33}, {3, 0, 9}, {5, 13, 2, 1}};

  private static final int[] COLS = {1, 5, 16, 18, 53};
  private static final int[] FILTERS = {1, 2, 7, 18};
  private static final int[] WIDTHS = {1, 3, 5};

  private static Spans spans(Fixture fixture, int... lengths) {
    Tensor values = Spans.allocate(lengths.length, fixture.arena());
    int start = 0;
    for (int e = 0; e < lengths.length; e++) {
      Spans.set(values, e, start, lengths[e], start, lengths[e]);
      start += lengths[e];
    }
    return new Spans(values, lengths.length);
  }

  /** x, weight, bias, dOut and the starts of dx, dWeight and dBias, without gaps. */
  private static Tensor[] inputs(
      Fixture fixture, Kernels kernels, int rows, int examples, int cols, int filters, int width) {
    long[][] shapes = {
      {rows, cols},
      {filters, (long) width * cols},
      {filters},
      {examples, filters},
      {rows, cols},
      {filters, (long) width * cols},
      {filters}
    };
    return Arrays.stream(shapes)
        .map(shape -> fixture.contiguous(fixture.wide(shape), kernels.wide()))
        .toArray(Tensor[]::new);
  }

  /** The windows of the largest values, in float64. */
  private static Tensor places(Fixture fixture, Spans spans, int width, Tensor... in) {
    Tensor at = fixture.arena().allocate(DType.I32, in[3].rows(), in[3].cols());
    Tensor out = fixture.empty(DType.F64, in[3].rows(), in[3].cols());
    Providers.REFERENCE.convolution().forward(in[0], spans, in[1], in[2], width, out, at);
    return at;
  }

  /** Inputs as {@link #inputs}, and windows for the way back; outputs out, dx, dWeight, dBias. */
  private static Tensor[] run(
      Kernels kernels, Fixture fixture, Spans spans, int width, Tensor at, Tensor... in) {
    Convolution convolution = kernels.convolution();
    Tensor out = fixture.empty(kernels.wide(), in[3].rows(), in[3].cols());
    Tensor found = fixture.arena().allocate(DType.I32, in[3].rows(), in[3].cols());
    Tensor dx = fixture.contiguous(in[4], kernels.wide());
    Tensor dWeight = fixture.contiguous(in[5], kernels.wide());
    Tensor dBias = fixture.contiguous(in[6], kernels.wide());
    convolution.forward(in[0], spans, in[1], in[2], width, out, found);
    convolution.backward(in[3], at, spans, in[1], width, dx);
    convolution.exampleGrad(in[0], in[3], at, spans, 0, spans.count(), width, dWeight, dBias);
    return new Tensor[] {out, dx, dWeight, dBias};
  }

  private static double[][] naive(
      Arithmetic a, int[] lengths, int cols, int filters, int width, Tensor at, Tensor... in) {
    double[] x = array(in[0]);
    double[] weight = array(in[1]);
    double[] bias = array(in[2]);
    double[] dOut = array(in[3]);
    double[] out = new double[dOut.length];
    double[] dx = array(in[4]);
    double[] dWeight = array(in[5]);
    double[] dBias = array(in[6]);
    int window = width * cols;
    int start = 0;
    for (int e = 0; e < lengths.length; e++) {
      for (int f = 0; f < filters; f++) {
        int here = e * filters + f;
        for (int t = 0; t + width <= lengths[e]; t++) {
          double sum = a.dot(x, (start + t) * cols, weight, f * window, window);
          out[here] = Math.max(out[here], a.add(sum, bias[f]));
        }
        int place = (int) at.get(e, f);
        if (place >= 0) {
          int word = (start + place) * cols;
          a.addScaled(dOut[here], weight, f * window, dx, word, window);
          a.addScaled(dOut[here], x, word, dWeight, f * window, window);
          dBias[f] = a.add(dBias[f], dOut[here]);
        }
      }
      start += lengths[e];
    }
    return new double[][] {out, dx, dWeight, dBias};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int[] lengths : GROUPS) {
      int rows = Arrays.stream(lengths).sum();
      for (int cols : COLS) {
        for (int filters : FILTERS) {
          for (int width : WIDTHS) {
            try (Fixture fixture = new Fixture(kernels, 100L * cols + filters + width)) {
              Spans spans = spans(fixture, lengths);
              Tensor[] in = inputs(fixture, kernels, rows, lengths.length, cols, filters, width);
              Tensor[] exact = fixture.exact(in);
              Tensor at = places(fixture, spans, width, exact);
              tolerance.add(
                  cols + " a word, " + width + " words",
                  Arrays.toString(lengths) + ", filters " + filters,
                  "out dx dWeight dBias",
                  run(kernels, fixture, spans, width, at, in),
                  run(Providers.REFERENCE, fixture, spans, width, at, exact),
                  naive(Arithmetic.of(kernels), lengths, cols, filters, width, at, in));
            }
          }
        }
      }
    }
    tolerance.verify();
  }

  /** Which window it is, by its exact value: two may be as good as alike. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theWindowIsThatOfTheLargestValue(Kernels kernels) {
    int width = 3;
    int cols = 18;
    try (Fixture fixture = new Fixture(kernels, 3)) {
      int[] lengths = {12, 2, 5, 30};
      Spans spans = spans(fixture, lengths);
      Tensor[] in = inputs(fixture, kernels, 49, 4, cols, 7, width);
      for (int f = 0; f < 7; f++) {
        in[2].set(f, in[2].get(f) - 4 * f);
      }
      Tensor out = fixture.empty(kernels.wide(), 4, 7);
      Tensor at = fixture.arena().allocate(DType.I32, 4, 7);
      kernels.convolution().forward(in[0], spans, in[1], in[2], width, out, at);
      double[] x = array(in[0]);
      double[] weight = array(in[1]);
      Arithmetic exact = new Arithmetic(DType.F64);
      for (int e = 0; e < 4; e++) {
        for (int f = 0; f < 7; f++) {
          int place = (int) at.get(e, f);
          assertEquals(out.get(e, f) == 0, place < 0);
          if (place >= 0) {
            int word = (spans.queryStart(e) + place) * cols;
            double value = exact.dot(x, word, weight, f * width * cols, width * cols);
            assertEquals(value + in[2].get(f), out.get(e, f), 1e-4);
          }
        }
      }
      assertArrayEquals(new double[7], array(fixture.copy(out.rows(1, 1), DType.F64)));
    }
  }

  /** Of windows that are alike the first counts, and one of exactly 0 is none. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theFirstOfEqualsCounts(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 4)) {
      Tensor x = fixture.contiguous(fixture.wide(11, 4), kernels.wide()).fill(1);
      Tensor weight = fixture.contiguous(fixture.wide(2, 8), kernels.wide()).fill(0.5);
      Tensor bias = fixture.contiguous(fixture.wide(2), kernels.wide());
      bias.set(0, -1);
      bias.set(1, -4);
      Tensor out = fixture.empty(kernels.wide(), 1, 2);
      Tensor at = fixture.arena().allocate(DType.I32, 1, 2);
      kernels.convolution().forward(x, spans(fixture, 11), weight, bias, 2, out, at);
      assertArrayEquals(new double[] {3, 0}, array(out));
      assertArrayEquals(new double[] {0, -1}, array(at));
    }
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    Kernels kernels = Providers.REFERENCE;
    try (Fixture fixture = new Fixture(kernels, 5)) {
      Spans spans = spans(fixture, 6, 1, 4);
      Tensor[] in = inputs(fixture, kernels, 11, 3, 3, 4, 2);
      for (int i = 4; i < 7; i++) {
        in[i].fill(0);
      }
      Tensor[] out = run(kernels, fixture, spans, 2, places(fixture, spans, 2, in), in);
      String[] names = {"dx", "dWeight", "dBias"};
      for (int i = 0; i < 3; i++) {
        FiniteDifferences.check(
            names[i],
            () ->
                FiniteDifferences.inner(
                    run(kernels, fixture, spans, 2, places(fixture, spans, 2, in), in)[0], in[3]),
            in[i],
            out[1 + i]);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    int width = 3;
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int length : new int[] {1, 3, 4, 17}) {
        Tensor[] in = inputs(own, kernels, length, 1, 18, 7, width);
        Invariance.check(
            kernels,
            length,
            place -> {
              Fixture fixture = place.fixture();
              // The words before and after it are other texts.
              int after = place.rows() - place.at() - length;
              Spans spans = spans(fixture, place.at(), length, after);
              Convolution convolution = kernels.convolution();
              Tensor x = place.around(in[0]);
              Tensor out = fixture.empty(kernels.wide(), 3, 7);
              Tensor at = fixture.arena().allocate(DType.I32, 3, 7);
              convolution.forward(x, spans, in[1], in[2], width, out, at);
              Tensor dOut = fixture.contiguous(fixture.wide(3, 7), kernels.wide());
              dOut.rows(1, 1).copyFrom(in[3]);
              Tensor dx = place.around(in[4]);
              Tensor dWeight = place.sum(in[5]);
              Tensor dBias = place.sum(in[6]);
              convolution.backward(dOut, at, spans, in[1], width, dx);
              convolution.exampleGrad(x, dOut, at, spans, 1, 2, width, dWeight, dBias);
              return place.join(
                  place.ownBits(dx),
                  place.allBits(
                      fixture.copy(out.rows(1, 1), kernels.wide()),
                      fixture.copy(at.rows(1, 1), DType.F64),
                      dWeight,
                      dBias));
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatDoesNotFitIsRefused(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 7)) {
      Tensor[] in = inputs(fixture, kernels, 9, 2, 4, 3, 2);
      Spans good = spans(fixture, 4, 5);
      Tensor at = places(fixture, good, 2, fixture.exact(in));
      Spans bad = spans(fixture, 4, 6);
      assertThrows(IllegalArgumentException.class, () -> run(kernels, fixture, bad, 2, at, in));
      assertThrows(IllegalArgumentException.class, () -> run(kernels, fixture, good, 3, at, in));
      for (int place : new int[] {-2, 3, Integer.MAX_VALUE}) {
        // A window of the first text that reaches into the second.
        at.set(0, 1, place);
        Tensor dx = fixture.contiguous(in[4], kernels.wide());
        Tensor dWeight = fixture.contiguous(in[5], kernels.wide());
        Tensor dBias = fixture.contiguous(in[6], kernels.wide());
        assertThrows(
            IllegalArgumentException.class,
            () -> kernels.convolution().backward(in[3], at, good, in[1], 2, dx));
        assertThrows(
            IllegalArgumentException.class,
            () ->
                kernels.convolution().exampleGrad(in[0], in[3], at, good, 0, 2, 2, dWeight, dBias));
      }
    }
  }
}
