package palimpsest.engine.kernel;

import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class LoraTest {
  private static final double SCALE = 0.75;

  /** Inputs x, dy, a, b; outputs u, du, dA, dB over rows [from, to). */
  private static Tensor[] run(Kernels kernels, Fixture fixture, int from, int to, Tensor... in) {
    Lora lora = kernels.lora();
    int rank = (int) in[2].rows();
    LoraFactors factors = lora.allocate(rank, in[0].cols(), in[1].cols(), fixture.arena());
    // Values of an earlier step must not outlive a second pack.
    lora.pack(fixture.operand(in[2].shape()), fixture.operand(in[3].shape()), 2, factors);
    lora.pack(in[2], in[3], SCALE, factors);
    Tensor u = fixture.empty(kernels.compute(), in[0].rows(), rank);
    Tensor du = fixture.empty(kernels.compute(), in[0].rows(), rank);
    Tensor dA = fixture.contiguous(in[2], kernels.wide()).fill(Double.NaN);
    Tensor dB = fixture.contiguous(in[3], kernels.wide()).fill(Double.NaN);
    lora.forward(in[0], factors, u);
    lora.backward(in[1], factors, du);
    lora.exampleGrad(in[0], u, in[1], du, from, to, dA, dB);
    return new Tensor[] {u, du, dA, dB};
  }

  private static Tensor[] inputs(Fixture fixture, int rows, int in, int out, int rank) {
    return new Tensor[] {
      fixture.compute(rows, in),
      fixture.compute(rows, out),
      fixture.operand(rank, in),
      fixture.operand(out, rank)
    };
  }

  private static double[][] naive(Arithmetic a, int from, int to, Tensor... in) {
    int rows = (int) in[0].rows();
    int width = (int) in[0].cols();
    int out = (int) in[1].cols();
    int rank = (int) in[2].rows();
    double[] x = array(in[0]);
    double[] dy = array(in[1]);
    double[] u = a.timesTransposed(x, array(in[2]), rows, width, rank);
    double[] du = a.times(dy, array(in[3]), rows, out, rank);
    for (int i = 0; i < u.length; i++) {
      u[i] = a.operand(a.mul(SCALE, u[i]));
      du[i] = a.operand(a.mul(SCALE, du[i]));
    }
    double[] dA = a.transposedTimes(du, x, from, to, rank, width);
    double[] dB = a.transposedTimes(dy, u, from, to, out, rank);
    return new double[][] {u, du, dA, dB};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    int turn = 0;
    for (int rows : Fixture.ROWS) {
      for (int width : Fixture.INNER) {
        for (int out : Fixture.INNER) {
          turn++;
          if (!Fixture.FULL && width * out > 172 * 64 && rows != 13) {
            continue;
          }
          try (Fixture fixture = new Fixture(kernels, turn, turn % 3 == 0)) {
            int rank = new int[] {2, 4, 8, 16, 32}[turn % 5];
            Tensor[] in = inputs(fixture, rows, width, out, rank);
            int from = rows / 3;
            Tensor[] actual = run(kernels, fixture, from, rows, in);
            Tensor[] expected = run(Providers.REFERENCE, fixture, from, rows, fixture.exact(in));
            double[][] naive = naive(Arithmetic.of(kernels), from, rows, in);
            String size = rows + " rows, " + width + " to " + out + ", rank " + rank;
            tolerance.add(width + " to " + out, size, "u du dA dB", actual, expected, naive);
          }
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsThroughTheAdaptedLayerAgreeWithFiniteDifferences() {
    Kernels kernels = Providers.REFERENCE;
    try (Fixture fixture = new Fixture(kernels, 5)) {
      Tensor[] in = inputs(fixture, 4, 6, 5, 2);
      Tensor weight = fixture.wide(5, 6);
      Tensor[] gradients = run(kernels, fixture, 0, 4, in);
      LinearWeights weights = kernels.linear().pack(weight, null, true, fixture.arena());
      LoraFactors factors = kernels.lora().allocate(2, 6, 5, fixture.arena());
      kernels.lora().pack(in[2], in[3], SCALE, factors);
      Tensor dx = fixture.empty(DType.F64, 4, 6);
      kernels.linear().backward(in[1], weights, gradients[1], factors, dx, false);
      FiniteDifferences.check("dA", () -> loss(fixture, weights, in), in[2], gradients[2]);
      FiniteDifferences.check("dB", () -> loss(fixture, weights, in), in[3], gradients[3]);
      FiniteDifferences.check("dx", () -> loss(fixture, weights, in), in[0], dx);
    }
  }

  private static double loss(Fixture fixture, LinearWeights weights, Tensor[] in) {
    Kernels kernels = Providers.REFERENCE;
    LoraFactors factors = kernels.lora().allocate(2, 6, 5, fixture.arena());
    kernels.lora().pack(in[2], in[3], SCALE, factors);
    Tensor u = fixture.empty(DType.F64, 4, 2);
    Tensor y = fixture.empty(DType.F64, 4, 5);
    kernels.lora().forward(in[0], factors, u);
    kernels.linear().forward(in[0], weights, u, factors, y, false);
    return FiniteDifferences.inner(y, in[1]);
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int length : new int[] {1, 2, 3, 17}) {
        Tensor[] in = inputs(own, length, 172, 64, 8);
        Invariance.check(
            kernels,
            length,
            place -> {
              int at = place.at();
              Tensor x = place.around(in[0]);
              Tensor dy = place.around(in[1]);
              Tensor[] out = run(kernels, place.fixture(), at, at + length, x, dy, in[2], in[3]);
              return place.join(place.ownBits(out[0], out[1]), place.allBits(out[2], out[3]));
            });
      }
    }
  }
}
