package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.Tensor;

class RmsnormTest {
  private static final double EPS = 1e-5;

  /** Inputs x, weight, dy and the starts of dx and dWeight; outputs y, rstd, dx, dWeight. */
  private static Tensor[] run(Kernels kernels, Fixture fixture, int from, int to, Tensor... in) {
    long rows = in[0].rows();
    Tensor y = fixture.empty(kernels.compute(), rows, in[0].cols());
    Tensor rstd = fixture.empty(kernels.wide(), rows);
    Tensor dx = fixture.copy(in[3], kernels.wide());
    Tensor dWeight = fixture.copy(in[4], kernels.wide());
    kernels.rmsnorm().forward(in[0], in[1], EPS, y, rstd);
    kernels.rmsnorm().backward(in[2], in[0], in[1], rstd, dx);
    kernels.rmsnorm().exampleGrad(in[2], in[0], rstd, from, to, dWeight);
    return new Tensor[] {y, rstd, dx, dWeight};
  }

  private static Tensor[] inputs(Fixture fixture, int rows, int cols) {
    return new Tensor[] {
      fixture.wide(rows, cols),
      fixture.wide(cols),
      fixture.wide(rows, cols),
      fixture.wide(rows, cols),
      fixture.wide(cols)
    };
  }

  private static double[][] naive(
      Arithmetic a, int rows, int cols, int from, int to, Tensor... in) {
    double[] x = array(in[0]);
    double[] w = array(in[1]);
    double[] dy = array(in[2]);
    double[] dx = array(in[3]);
    double[] y = new double[rows * cols];
    double[] rstd = new double[rows];
    double[] dWeight = new double[cols];
    for (int n = 0; n < rows; n++) {
      int at = n * cols;
      double mean = a.round(a.dot(x, at, x, at, cols) / cols);
      rstd[n] = a.round(1 / a.round(Math.sqrt(a.add(mean, a.round(EPS)))));
      double product = 0;
      for (int i = 0; i < cols; i++) {
        y[at + i] = a.mul(a.mul(x[at + i], rstd[n]), w[i]);
        product = a.mulAdd(a.mul(w[i], dy[at + i]), x[at + i], product);
      }
      double pull = a.mul(a.mul(rstd[n], rstd[n]), a.round(product / cols));
      for (int i = 0; i < cols; i++) {
        double inner = a.add(a.mul(w[i], dy[at + i]), -a.mul(x[at + i], pull));
        dx[at + i] = a.mulAdd(rstd[n], inner, dx[at + i]);
        if (n >= from && n < to) {
          dWeight[i] = a.mulAdd(a.mul(dy[at + i], x[at + i]), rstd[n], dWeight[i]);
        }
      }
    }
    return new double[][] {y, rstd, dx, a.plus(array(in[4]), dWeight)};
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
          tolerance.add("width " + cols, size, "y rstd dx dWeight", actual, expected, naive);
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
      Tensor[] in = inputs(fixture, 3, 6);
      in[3].fill(0);
      in[4].fill(0);
      Tensor[] out = run(Providers.REFERENCE, fixture, 0, 3, in);
      FiniteDifferences.check("dx", () -> loss(fixture, in), in[0], out[2]);
      FiniteDifferences.check("dWeight", () -> loss(fixture, in), in[1], out[3]);
    }
  }

  private static double loss(Fixture fixture, Tensor[] in) {
    return FiniteDifferences.inner(run(Providers.REFERENCE, fixture, 0, 3, in)[0], in[2]);
  }

  /** Where mates end a chunk of the output layer's rows, an example's come in two calls. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anExamplesRowsMayComeInPieces(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 8)) {
      Tensor[] in = inputs(fixture, 40, 172);
      Tensor rstd = run(kernels, fixture, 0, 0, in)[1];
      Tensor whole = fixture.copy(in[4], kernels.wide());
      kernels.rmsnorm().exampleGrad(in[2], in[0], rstd, 3, 38, whole);
      for (int cut = 3; cut <= 38; cut++) {
        Tensor pieces = fixture.copy(in[4], kernels.wide());
        kernels.rmsnorm().exampleGrad(in[2], in[0], rstd, 3, cut, pieces);
        kernels.rmsnorm().exampleGrad(in[2], in[0], rstd, cut, 38, pieces);
        assertArrayEquals(array(whole), array(pieces), "cut at " + cut);
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
                      place.around(in[2]),
                      place.around(in[3]),
                      in[4]);
              long[] rows = place.ownBits(out[0], out[1], out[2]);
              return place.join(rows, place.allBits(out[3]));
            });
      }
    }
  }
}
