package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Activation;
import palimpsest.engine.tensor.Tensor;

/**
 * {@link Activation} in float64. A row is read whole before it is written, so gradients may
 * overwrite.
 */
final class ActivationReference implements Activation {
  private static final double ROOT_TWO_OVER_PI = Math.sqrt(2 / Math.PI);
  private static final double CUBIC = 0.044715;
  private static final double ROOT_TWO_PI = Math.sqrt(2 * Math.PI);

  /** From here on the continued fraction converges faster than the series. */
  private static final double FAR = 2.8;

  private static final int FRACTIONS = 60;

  @Override
  public void forward(Kind kind, Tensor gate, Tensor up, Tensor out) {
    int width = Math.toIntExact(gate.cols());
    check(kind, "up", up, gate);
    Check.matrix("out", out, gate.rows(), width);
    double[] g = new double[width];
    double[] u = new double[width];
    for (long n = 0; n < gate.rows(); n++) {
      Rows.read(gate, n, g, 0);
      if (kind.gated()) {
        Rows.read(up, n, u, 0);
      }
      for (int i = 0; i < width; i++) {
        g[i] = kind.gated() ? value(kind, g[i]) * u[i] : value(kind, g[i]);
      }
      Rows.write(out, n, g, 0);
    }
  }

  @Override
  public void backward(Kind kind, Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    int width = Math.toIntExact(gate.cols());
    check(kind, "up", up, gate);
    check(kind, "dUp", dUp, gate);
    Check.matrix("dOut", dOut, gate.rows(), width);
    Check.matrix("dGate", dGate, gate.rows(), width);
    double[] g = new double[width];
    double[] u = new double[width];
    double[] d = new double[width];
    for (long n = 0; n < gate.rows(); n++) {
      Rows.read(gate, n, g, 0);
      Rows.read(dOut, n, d, 0);
      if (kind.gated()) {
        Rows.read(up, n, u, 0);
      }
      for (int i = 0; i < width; i++) {
        double x = g[i];
        g[i] = kind.gated() ? d[i] * u[i] * slope(kind, x) : d[i] * slope(kind, x);
        u[i] = d[i] * value(kind, x);
      }
      Rows.write(dGate, n, g, 0);
      if (kind.gated()) {
        Rows.write(dUp, n, u, 0);
      }
    }
  }

  private static void check(Kind kind, String what, Tensor tensor, Tensor gate) {
    if (kind.gated()) {
      Check.matrix(what, tensor, gate.rows(), gate.cols());
    } else if (tensor != null) {
      throw new IllegalArgumentException(what + " must be null for " + kind);
    }
  }

  private static double value(Kind kind, double x) {
    return switch (kind) {
      case GELU_TANH, GELU_TANH_GATED -> 0.5 * x * (1 + geluTanh(x));
      case SILU_GATED -> x / (1 + StrictMath.exp(-x));
      case GELU -> x * normal(x);
    };
  }

  private static double slope(Kind kind, double x) {
    return switch (kind) {
      case GELU_TANH, GELU_TANH_GATED -> {
        double t = geluTanh(x);
        double inner = ROOT_TWO_OVER_PI * (1 + 3 * CUBIC * x * x);
        yield 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
      }
      case SILU_GATED -> {
        double sigmoid = 1 / (1 + StrictMath.exp(-x));
        yield sigmoid * (1 + x * (1 - sigmoid));
      }
      case GELU -> normal(x) + x * StrictMath.exp(-0.5 * x * x) / ROOT_TWO_PI;
    };
  }

  private static double geluTanh(double x) {
    return StrictMath.tanh(ROOT_TWO_OVER_PI * (x + CUBIC * x * x * x));
  }

  /**
   * The normal distribution's function. Near 0 by its density times x + x^3 / 3 + x^5 / (3 5) +
   * ..., whose terms have one sign; far out the density over x + 1 / (x + 2 / (x + 3 / (x + ...)))
   * (Abramowitz and Stegun 1964, 26.2.11 and 26.2.14).
   */
  private static double normal(double x) {
    double density = StrictMath.exp(-0.5 * x * x) / ROOT_TWO_PI;
    double size = Math.abs(x);
    if (size < FAR) {
      double sum = 0;
      double term = x;
      for (int k = 3; sum + term != sum; k += 2) {
        sum += term;
        term *= x * x / k;
      }
      return 0.5 + density * sum;
    }
    double fraction = size;
    for (int k = FRACTIONS; k > 0; k--) {
      fraction = size + k / fraction;
    }
    double tail = density / fraction;
    return x < 0 ? tail : 1 - tail;
  }
}
