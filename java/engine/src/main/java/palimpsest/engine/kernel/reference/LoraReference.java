package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.kernel.Lora;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** {@link Lora} in float64. */
final class LoraReference implements Lora {
  /** The factors as they are, A [r, K] and B [P, r], with the scale beside them. */
  static final class Factors implements LoraFactors {
    private final Tensor a;
    private final Tensor b;
    private double scale = Double.NaN;

    private Factors(Tensor a, Tensor b) {
      this.a = a;
      this.b = b;
    }

    @Override
    public int rank() {
      return (int) a.rows();
    }

    @Override
    public long in() {
      return a.cols();
    }

    @Override
    public long out() {
      return b.rows();
    }

    Tensor a() {
      return a;
    }

    Tensor b() {
      return b;
    }
  }

  @Override
  public LoraFactors allocate(int rank, long in, long out, TensorArena arena) {
    if (rank < 1) {
      throw new IllegalArgumentException("rank " + rank + " is below 1");
    }
    return new Factors(arena.allocate(DType.F64, rank, in), arena.allocate(DType.F64, out, rank));
  }

  @Override
  public void pack(Tensor a, Tensor b, double scale, LoraFactors factors) {
    Factors own = own(factors);
    Check.matrix("a", a, own.rank(), own.in());
    Check.matrix("b", b, own.out(), own.rank());
    own.a.copyFrom(a);
    own.b.copyFrom(b);
    own.scale = scale;
  }

  @Override
  public void forward(Tensor x, LoraFactors factors, Tensor u) {
    Factors own = own(factors);
    Check.matrix("x", x, x.rows(), own.in());
    Check.matrix("u", u, x.rows(), own.rank());
    int in = Math.toIntExact(own.in());
    double[] a = Rows.all(own.a);
    double[] row = new double[in];
    for (long n = 0; n < x.rows(); n++) {
      Rows.read(x, n, row, 0);
      for (int r = 0; r < own.rank(); r++) {
        double sum = 0;
        for (int k = 0; k < in; k++) {
          sum += row[k] * a[r * in + k];
        }
        u.set(n, r, own.scale * sum);
      }
    }
  }

  @Override
  public void backward(Tensor dy, LoraFactors factors, Tensor du) {
    Factors own = own(factors);
    Check.matrix("dy", dy, dy.rows(), own.out());
    Check.matrix("du", du, dy.rows(), own.rank());
    int rank = own.rank();
    double[] b = Rows.all(own.b);
    double[] row = new double[Math.toIntExact(own.out())];
    double[] sum = new double[rank];
    for (long n = 0; n < dy.rows(); n++) {
      Rows.read(dy, n, row, 0);
      Arrays.fill(sum, 0);
      for (int p = 0; p < row.length; p++) {
        Rows.axpy(row[p], b, p * rank, sum, 0, rank);
      }
      for (int r = 0; r < rank; r++) {
        du.set(n, r, own.scale * sum[r]);
      }
    }
  }

  @Override
  public void exampleGrad(
      Tensor x, Tensor u, Tensor dy, Tensor du, long from, long to, Tensor dA, Tensor dB) {
    Check.matrix("u", u, x.rows(), dA.rows());
    Check.matrix("dy", dy, x.rows(), dB.rows());
    Check.matrix("du", du, x.rows(), dA.rows());
    Check.matrix("dA", dA, dA.rows(), x.cols());
    Check.matrix("dB", dB, dB.rows(), dA.rows());
    Check.range(from, to, x.rows());
    outerSum(du, x, from, to, dA);
    outerSum(dy, u, from, to, dB);
  }

  /** {@code result[i, j] = sum over n in [from, to) of left[n, i] * right[n, j]}. */
  private static void outerSum(Tensor left, Tensor right, long from, long to, Tensor result) {
    int rows = Math.toIntExact(left.cols());
    int cols = Math.toIntExact(right.cols());
    double[] lefts = Rows.range(left, from, to);
    double[] rights = Rows.range(right, from, to);
    double[] sum = new double[cols];
    for (int i = 0; i < rows; i++) {
      Arrays.fill(sum, 0);
      for (int n = 0; n < to - from; n++) {
        Rows.axpy(lefts[n * rows + i], rights, n * cols, sum, 0, cols);
      }
      Rows.write(result, i, sum, 0);
    }
  }

  /** The factors as this provider's, with values. */
  static Factors own(LoraFactors factors) {
    return Check.own("factors", factors, Factors.class);
  }
}
