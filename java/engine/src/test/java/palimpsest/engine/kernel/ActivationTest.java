package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Activation.Kind;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class ActivationTest {
  private static final double ROOT = Math.sqrt(2 / Math.PI);
  private static final double CUBIC = 0.044715;

  /**
   * Inputs gate, up (or null), dOut; outputs out, dGate and, for the gated kinds, dUp. The
   * gradients overwrite copies of gate and up if {@code inPlace}.
   */
  private static Tensor[] run(
      Kernels kernels, Fixture fixture, Kind kind, boolean inPlace, Tensor... in) {
    DType type = kernels.compute();
    Tensor gate = fixture.copy(in[0], type);
    Tensor up = kind.gated() ? fixture.copy(in[1], type) : null;
    Tensor out = fixture.empty(type, gate.rows(), gate.cols());
    Tensor dGate = inPlace ? gate : fixture.empty(type, gate.rows(), gate.cols());
    Tensor dUp = !kind.gated() ? null : inPlace ? up : fixture.empty(type, up.rows(), up.cols());
    kernels.activation().forward(kind, gate, up, out);
    kernels.activation().backward(kind, gate, up, in[2], dGate, dUp);
    return kind.gated() ? new Tensor[] {out, dGate, dUp} : new Tensor[] {out, dGate};
  }

  private static Tensor[] inputs(Fixture fixture, Kind kind, int rows, int cols) {
    Tensor gate = fixture.compute(rows, cols);
    for (int i = 0; i < gate.size(); i++) {
      gate.set(i, 3 * gate.get(i));
    }
    return new Tensor[] {
      gate, kind.gated() ? fixture.compute(rows, cols) : null, fixture.wide(rows, cols)
    };
  }

  private static double[][] naive(Arithmetic a, Kind kind, Tensor... in) {
    double[] gate = array(in[0]);
    double[] up = kind.gated() ? array(in[1]) : null;
    double[] dOut = array(in[2]);
    double[] out = new double[gate.length];
    double[] dGate = new double[gate.length];
    double[] dUp = new double[gate.length];
    for (int i = 0; i < gate.length; i++) {
      double[] f =
          switch (kind) {
            case SILU_GATED -> silu(a, gate[i]);
            case GELU_TANH, GELU_TANH_GATED -> geluTanh(a, gate[i]);
            case GELU -> gelu(a, gate[i]);
          };
      double factor = kind.gated() ? up[i] : 1;
      out[i] = a.mul(f[0], factor);
      dGate[i] = a.mul(a.mul(dOut[i], factor), f[1]);
      dUp[i] = a.mul(dOut[i], f[0]);
    }
    return kind.gated() ? new double[][] {out, dGate, dUp} : new double[][] {out, dGate};
  }

  /** Value and slope of x / (1 + exp(-x)). */
  private static double[] silu(Arithmetic a, double x) {
    double sigmoid = a.round(1 / a.add(1, a.round(Math.exp(-x))));
    double slope = a.mul(sigmoid, a.add(1, a.mul(x, a.add(1, -sigmoid))));
    return new double[] {a.mul(x, sigmoid), slope};
  }

  /** Value and slope of 0.5 x (1 + erf(x / sqrt(2))). */
  private static double[] gelu(Arithmetic a, double x) {
    double below = a.mul(0.5, a.add(1, a.round(erf(a.mul(x, a.round(Math.sqrt(0.5)))))));
    double density = a.mul(a.round(Math.exp(a.mul(-0.5, a.mul(x, x)))), a.round(ROOT / 2));
    return new double[] {a.mul(x, below), a.mulAdd(x, density, below)};
  }

  /** 2 / sqrt(pi) times the integral of exp(-t^2) from 0, by Gauss and Legendre, piece by piece. */
  private static double erf(double z) {
    double[] nodes = {0, 0.5384693101056831, 0.906179845938664};
    double[] weights = {128 / 225.0, 0.47862867049936647, 0.23692688505618908};
    double end = Math.min(Math.abs(z), 6.5);
    int pieces = 1 + (int) (end / 0.125);
    double half = end / pieces / 2;
    double sum = 0;
    for (int piece = 0; piece < pieces; piece++) {
      double centre = (2 * piece + 1) * half;
      for (int i = 0; i < nodes.length; i++) {
        double left = centre - half * nodes[i];
        double right = centre + half * nodes[i];
        double value = Math.exp(-left * left) + (i == 0 ? 0 : Math.exp(-right * right));
        sum += half * weights[i] * value;
      }
    }
    return Math.copySign(2 / Math.sqrt(Math.PI) * sum, z);
  }

  /** Value and slope of 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
  private static double[] geluTanh(Arithmetic a, double x) {
    double cube = a.mul(a.mul(x, x), x);
    double inner = a.mul(a.round(ROOT), a.mulAdd(a.round(CUBIC), cube, x));
    double t = a.round(Math.tanh(inner));
    double rate = a.mul(a.round(ROOT), a.add(1, a.mul(a.mul(a.round(3 * CUBIC), x), x)));
    double bell = a.mul(a.mul(a.mul(0.5, x), a.add(1, -a.mul(t, t))), rate);
    return new double[] {a.mul(a.mul(0.5, x), a.add(1, t)), a.mulAdd(0.5, a.add(1, t), bell)};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (Kind kind : Kind.values()) {
      for (int rows : Fixture.ROWS) {
        for (int cols : Fixture.OUTER) {
          try (Fixture fixture = new Fixture(kernels, rows * 1000L + cols, rows % 2 == 0)) {
            Tensor[] in = inputs(fixture, kind, rows, cols);
            boolean inPlace = rows % 3 == 1;
            Tensor[] actual = run(kernels, fixture, kind, inPlace, in);
            Tensor[] expected = run(Providers.REFERENCE, fixture, kind, false, fixture.exact(in));
            double[][] naive = naive(Arithmetic.of(kernels), kind, in);
            String names = kind.gated() ? "out dGate dUp" : "out dGate";
            tolerance.add(
                kind + ", width " + cols,
                kind + " " + rows + " x " + cols,
                names,
                actual,
                expected,
                naive);
          }
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    for (Kind kind : Kind.values()) {
      try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
        Tensor[] in = inputs(fixture, kind, 4, 6);
        Tensor[] out = run(Providers.REFERENCE, fixture, kind, false, in);
        FiniteDifferences.check(kind + " dGate", () -> loss(fixture, kind, in), in[0], out[1]);
        if (kind.gated()) {
          FiniteDifferences.check(kind + " dUp", () -> loss(fixture, kind, in), in[1], out[2]);
        }
      }
    }
  }

  private static double loss(Fixture fixture, Kind kind, Tensor[] in) {
    Tensor out = run(Providers.REFERENCE, fixture, kind, false, in)[0];
    return FiniteDifferences.inner(out, in[2]);
  }

  /** Where the series and the fraction of the reference meet, and far out: 15 digits by hand. */
  @Test
  void theReferencesNormalDistributionIsExact() {
    double[] points = {-6, -2.8000001, -2.7999999, -1, 0, 0.5, 1, 2.7999999, 2.8000001, 8};
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 0)) {
      Tensor gate = fixture.compute(1, points.length);
      for (int i = 0; i < points.length; i++) {
        gate.set(i, points[i]);
      }
      Tensor out = fixture.empty(DType.F64, 1, points.length);
      Providers.REFERENCE.activation().forward(Kind.GELU, gate, null, out);
      for (int i = 0; i < points.length; i++) {
        double x = points[i];
        assertEquals(0.5 * x * (1 + erf(x * Math.sqrt(0.5))), out.get(i), 1e-14, "at " + x);
      }
      // Tables: P(-6) = 9.865876450377e-10, P(-1) = 0.158655253931457.
      assertEquals(-6 * 9.865876450377e-10, out.get(0), 1e-20);
      assertEquals(-0.158655253931457, out.get(3), 1e-15);
    }
  }

  /** Unlike in the naive loop, nothing cancels for large negative numbers. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void smallValuesKeepTheirDigits(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 4)) {
      Tensor gate = fixture.compute(1, 45);
      for (int i = 0; i < gate.size(); i++) {
        gate.set(i, -0.25 * i);
      }
      Tensor out = fixture.empty(kernels.compute(), 1, 45);
      Tensor exact = fixture.empty(DType.F64, 1, 45);
      kernels.activation().forward(Kind.GELU, gate, null, out);
      Providers.REFERENCE
          .activation()
          .forward(Kind.GELU, fixture.copy(gate, DType.F64), null, exact);
      double digits = kernels.compute() == DType.BF16 ? 4e-3 : 2e-5;
      for (int i = 0; i < gate.size(); i++) {
        assertEquals(exact.get(i), out.get(i), digits * Math.abs(exact.get(i)), "at " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void farInTheTailsItIsZeroOrTheIdentity(Kernels kernels) {
    for (Kind kind : Kind.values()) {
      try (Fixture fixture = new Fixture(kernels, 1)) {
        int cols = 18;
        Tensor gate = fixture.compute(2, cols);
        gate.rows(0, 1).fill(-1024);
        gate.rows(1, 1).fill(1024);
        Tensor ones = fixture.compute(2, cols).fill(1);
        Tensor dOut = fixture.wide(2, cols).fill(1);
        Tensor[] out = run(kernels, fixture, kind, false, gate, ones, dOut);
        for (int i = 0; i < cols; i++) {
          assertEquals(0, out[0].get(0, i), 1e-30, kind.name());
          assertEquals(0, out[1].get(0, i), 1e-30, kind.name());
          assertEquals(1024, out[0].get(1, i), 0.0, kind.name());
          assertEquals(1, out[1].get(1, i), 0.0, kind.name());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    for (Kind kind : Kind.values()) {
      try (Fixture own = new Fixture(kernels, 6)) {
        Tensor[] in = inputs(own, kind, 1, 53);
        Invariance.check(
            kernels,
            1,
            place -> {
              Tensor up = kind.gated() ? place.around(in[1]) : null;
              Tensor gate = place.around(in[0]);
              Tensor[] out =
                  run(kernels, place.fixture(), kind, false, gate, up, place.around(in[2]));
              return place.ownBits(out);
            });
      }
    }
  }
}
