package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.Tensor;

class LayernormTest {
  private static final double EPS = 1e-5;

  /**
   * Inputs x, weight, bias, dy and the starts of dx, dWeight and dBias; outputs y, mean, rstd, dx,
   * dWeight, dBias.
   */
  private static Tensor[] run(Kernels kernels, Fixture fixture, int from, int to, Tensor... in) {
    long rows = in[0].rows();
    Tensor y = fixture.empty(kernels.compute(), rows, in[0].cols());
    Tensor mean = fixture.empty(kernels.wide(), rows);
    Tensor rstd = fixture.empty(kernels.wide(), rows);
    Tensor dx = fixture.copy(in[4], kernels.wide());
    Tensor dWeight = fixture.copy(in[5], kernels.wide());
    Tensor dBias = fixture.copy(in[6], kernels.wide());
    Layernorm layernorm = kernels.layernorm();
    layernorm.forward(in[0], in[1], in[2], EPS, y, mean, rstd);
    layernorm.backward(in[3], in[0], in[1], mean, rstd, dx);
    layernorm.exampleGrad(in[3], in[0], mean, rstd, from, to, dWeight, dBias);
    return new Tensor[] {y, mean, rstd, dx, dWeight, dBias};
  }

  private static Tensor[] inputs(Fixture fixture, int rows, int cols) {
    Tensor x = fixture.wide(rows, cols);
    for (int n = 0; n < rows; n++) {
      // A mean away from zero: E[x^2] - mean^2 would lose digits that the two-pass form keeps.
      for (int i = 0; i < cols; i++) {
        x.set(n, i, x.get(n, i) + 4);
      }
    }
    return new Tensor[] {
      x,
      fixture.wide(cols),
      fixture.wide(cols),
      fixture.wide(rows, cols),
      fixture.wide(rows, cols),
      fixture.wide(cols),
      fixture.wide(cols)
    };
  }

  private static double[][] naive(
      Arithmetic a, int rows, int cols, int from, int to, Tensor... in) {
    double[] x = array(in[0]);
    double[] w = array(in[1]);
    double[] b = array(in[2]);
    double[] dy = array(in[3]);
    double[] dx = array(in[4]);
    double[] y = new double[rows * cols];
    double[] mean = new double[rows];
    double[] rstd = new double[rows];
    double[] dWeight = new double[cols];
    double[] dBias = new double[cols];
    double[] h = new double[cols];
    double[] g = new double[cols];
    for (int n = 0; n < rows; n++) {
      int at = n * cols;
      double sum = 0;
      for (int i = 0; i < cols; i++) {
        sum = a.add(sum, x[at + i]);
      }
      mean[n] = a.round(sum / cols);
      for (int i = 0; i < cols; i++) {
        h[i] = a.add(x[at + i], -mean[n]);
      }
      double variance = a.round(a.dot(h, 0, h, 0, cols) / cols);
      rstd[n] = a.round(1 / a.round(Math.sqrt(a.add(variance, a.round(EPS)))));
      double gradient = 0;
      double product = 0;
      for (int i = 0; i < cols; i++) {
        h[i] = a.mul(h[i], rstd[n]);
        y[at + i] = a.mulAdd(h[i], w[i], b[i]);
        g[i] = a.mul(w[i], dy[at + i]);
        gradient = a.add(gradient, g[i]);
        product = a.mulAdd(g[i], h[i], product);
      }
      for (int i = 0; i < cols; i++) {
        double centred = a.add(g[i], -a.round(gradient / cols));
        double inner = a.add(centred, -a.mul(h[i], a.round(product / cols)));
        dx[at + i] = a.mulAdd(rstd[n], inner, dx[at + i]);
        if (n >= from && n < to) {
          dWeight[i] = a.mulAdd(dy[at + i], h[i], dWeight[i]);
          dBias[i] = a.add(dBias[i], dy[at + i]);
        }
      }
    }
    return new double[][] {
      y, mean, rstd, dx, a.plus(array(in[5]), dWeight), a.plus(array(in[6]), dBias)
    };
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int rows : Fixture.ROWS) {
      for (int cols : Fixture.OUTER) {
        try (Fixture fixture = new Fixture(kernels, rows * 1000L + cols, rows % 2 == 0)) {
          Tensor[] in = inputs(fixture, rows, cols);
          int from = rows / 3;
          Tensor[] actual = run(kernels, fixture, from, rows, in);
          Tensor[] expected = run(Providers.REFERENCE, fixture, from, rows, fixture.exact(in));
          double[][] naive = naive(Arithmetic.of(kernels), rows, cols, from, rows, in);
          String size = rows + " x " + cols;
          tolerance.add(
              "width " + cols, size, "y mean rstd dx dWeight dBias", actual, expected, naive);
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
      Tensor[] in = inputs(fixture, 3, 6);
      for (int i = 4; i < 7; i++) {
        in[i].fill(0);
      }
      Tensor[] out = run(Providers.REFERENCE, fixture, 0, 3, in);
      FiniteDifferences.check("dx", () -> loss(fixture, in), in[0], out[3]);
      FiniteDifferences.check("dWeight", () -> loss(fixture, in), in[1], out[4]);
      FiniteDifferences.check("dBias", () -> loss(fixture, in), in[2], out[5]);
    }
  }

  private static double loss(Fixture fixture, Tensor[] in) {
    return FiniteDifferences.inner(run(Providers.REFERENCE, fixture, 0, 3, in)[0], in[3]);
  }

  /** Where mates end a chunk of the output layer's rows, an example's come in two calls. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anExamplesRowsMayComeInPieces(Kernels kernels) {
    Layernorm layernorm = kernels.layernorm();
    try (Fixture fixture = new Fixture(kernels, 8)) {
      Tensor[] in = inputs(fixture, 40, 172);
      Tensor[] out = run(kernels, fixture, 0, 0, in);
      Tensor[] whole = {fixture.copy(in[5], kernels.wide()), fixture.copy(in[6], kernels.wide())};
      layernorm.exampleGrad(in[3], in[0], out[1], out[2], 3, 38, whole[0], whole[1]);
      for (int cut = 3; cut <= 38; cut++) {
        Tensor weight = fixture.copy(in[5], kernels.wide());
        Tensor bias = fixture.copy(in[6], kernels.wide());
        layernorm.exampleGrad(in[3], in[0], out[1], out[2], 3, cut, weight, bias);
        layernorm.exampleGrad(in[3], in[0], out[1], out[2], cut, 38, weight, bias);
        assertArrayEquals(array(whole[0]), array(weight), "cut at " + cut);
        assertArrayEquals(array(whole[1]), array(bias), "cut at " + cut);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int length : new int[] {1, 3, 7}) {
        Tensor[] in = inputs(own, length, 172);
        Invariance.check(
            kernels,
            length,
            place -> {
              Tensor[] out =
                  run(
                      kernels,
                      place.fixture(),
                      place.at(),
                      place.at() + length,
                      place.around(in[0]),
                      in[1],
                      in[2],
                      place.around(in[3]),
                      place.around(in[4]),
                      in[5],
                      in[6]);
              long[] rows = place.ownBits(out[0], out[1], out[2], out[3]);
              return place.join(rows, place.allBits(out[4], out[5]));
            });
      }
    }
  }

  /** A result that is kept wide, for a residual stream, is the other one before it is rounded. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aWideResultRoundsToTheNarrowOne(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 12)) {
      Tensor[] in = inputs(fixture, 7, 53);
      Tensor narrow = run(kernels, fixture, 0, 7, in)[0];
      Tensor wide = fixture.empty(kernels.wide(), 7, 53);
      Tensor statistic = fixture.empty(kernels.wide(), 7);
      kernels.layernorm().forward(in[0], in[1], in[2], EPS, wide, statistic, statistic);
      assertArrayEquals(array(narrow), array(fixture.copy(wide, kernels.compute())));
    }
  }
}
