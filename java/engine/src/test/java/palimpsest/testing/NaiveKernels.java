package palimpsest.testing;

import java.lang.reflect.Proxy;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Convolution;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Linear;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.Lora;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The yardstick of the tolerance rule for a whole model: matrix products by naive loops, operands
 * rounded to the compute type, one float accumulator an element in index order; everything else
 * exact but for storage.
 */
public final class NaiveKernels {
  private NaiveKernels() {}

  /** A provider that computes in {@code compute}, F32 or BF16. */
  public static Kernels of(DType compute) {
    ReferenceKernels reference = new ReferenceKernels(compute, DType.F32);
    Linear linear = new NaiveLinear(compute);
    Lora lora = new NaiveLora(compute);
    Convolution convolution = new NaiveConvolution(reference.convolution());
    return (Kernels)
        Proxy.newProxyInstance(
            NaiveKernels.class.getClassLoader(),
            new Class<?>[] {Kernels.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "linear" -> linear;
                  case "lora" -> lora;
                  case "convolution" -> convolution;
                  default -> method.invoke(reference, arguments);
                });
  }

  private static float[][] rounded(Tensor matrix, DType type) {
    float[][] values = new float[(int) matrix.rows()][(int) matrix.cols()];
    for (int i = 0; i < values.length; i++) {
      for (int j = 0; j < values[i].length; j++) {
        float value = (float) matrix.get(i, j);
        values[i][j] = type == DType.BF16 ? DType.fromBf16(DType.toBf16(value)) : value;
      }
    }
    return values;
  }

  private static float[][] transposed(float[][] matrix) {
    float[][] result = new float[matrix[0].length][matrix.length];
    for (int i = 0; i < matrix.length; i++) {
      for (int j = 0; j < matrix[i].length; j++) {
        result[j][i] = matrix[i][j];
      }
    }
    return result;
  }

  /**
   * y[n][p] (+)= scale * (sum of x[n][k] w[p][k], then of u[n][i] b[p][i]) + bias. The rows' sums
   * run side by side, each in index order.
   */
  private static void multiply(
      Tensor x,
      float[][] w,
      Tensor u,
      float[][] b,
      float[] bias,
      float scale,
      Tensor y,
      boolean add) {
    float[][] xs = transposed(rounded(x, DType.F32));
    float[][] us = u == null ? new float[0][] : transposed(rounded(u, DType.F32));
    int rows = (int) x.rows();
    IntStream.range(0, w.length)
        .parallel()
        .forEach(p -> {
          float[] sums = new float[rows];
          for (int n = 0; add && n < rows; n++) {
            sums[n] = (float) y.get(n, p);
          }
          for (int k = 0; k < xs.length; k++) {
            addProducts(xs[k], w[p][k], sums);
          }
          for (int i = 0; i < us.length; i++) {
            addProducts(us[i], b[p][i], sums);
          }
          for (int n = 0; n < rows; n++) {
            y.set(n, p, sums[n] * scale + (bias == null ? 0 : bias[p]));
          }
        });
  }

  /** y[n][p] (+)= scale * (sum of x[n][k] w[k][p], then of u[n][i] a[i][p]), in index order. */
  private static void multiplyByColumns(
      Tensor x, float[][] w, Tensor u, float[][] a, float scale, Tensor y, boolean add) {
    float[][] xs = rounded(x, DType.F32);
    float[][] us = u == null ? null : rounded(u, DType.F32);
    IntStream.range(0, xs.length)
        .parallel()
        .forEach(n -> {
          float[] sums = new float[w[0].length];
          for (int p = 0; add && p < sums.length; p++) {
            sums[p] = (float) y.get(n, p);
          }
          for (int k = 0; k < w.length; k++) {
            addProducts(w[k], xs[n][k], sums);
          }
          for (int i = 0; us != null && i < us[n].length; i++) {
            addProducts(a[i], us[n][i], sums);
          }
          for (int p = 0; p < sums.length; p++) {
            y.set(n, p, sums[p] * scale);
          }
        });
  }

  private static void addProducts(float[] values, float factor, float[] sums) {
    for (int i = 0; i < sums.length; i++) {
      sums[i] += values[i] * factor;
    }
  }

  private record Weights(float[][] values, float[] bias, float[] baseBias)
      implements LinearWeights {
    @Override
    public long in() {
      return values[0].length;
    }

    @Override
    public long out() {
      return values.length;
    }

    @Override
    public boolean hasBackward() {
      return true;
    }
  }

  private record NaiveLinear(DType compute) implements Linear {
    @Override
    public LinearWeights pack(Tensor weight, Tensor bias, boolean backward, TensorArena arena) {
      return new Weights(
          rounded(weight, compute),
          bias == null ? null : rounded(bias.reshape(1, bias.size()), DType.F32)[0],
          null);
    }

    @Override
    public void forward(
        Tensor x, LinearWeights weights, Tensor u, LoraFactors factors, Tensor y, boolean add) {
      Weights w = (Weights) weights;
      multiply(x, w.values, u, factors == null ? null : ((Factors) factors).b, w.bias, 1, y, add);
    }

    @Override
    public void backward(
        Tensor dy, LinearWeights weights, Tensor du, LoraFactors factors, Tensor dx, boolean add) {
      float[][] a = factors == null ? null : ((Factors) factors).a;
      multiplyByColumns(dy, ((Weights) weights).values, du, a, 1, dx, add);
    }

    @Override
    public void repack(Tensor weight, boolean inputMajor, Tensor bias, LinearWeights into) {
      Weights to = (Weights) into;
      float[][] values = rounded(weight, compute);
      values = inputMajor ? transposed(values) : values;
      for (int p = 0; p < values.length; p++) {
        System.arraycopy(values[p], 0, to.values[p], 0, values[p].length);
        to.bias[p] = (float) bias.get(p);
      }
    }

    @Override
    public LinearWeights withBias(LinearWeights weights, TensorArena arena) {
      Weights w = (Weights) weights;
      return new Weights(w.values, new float[w.values.length], w.bias);
    }

    @Override
    public void packBias(Tensor added, LinearWeights weights) {
      float[] from = ((Weights) weights).baseBias;
      float[] to = ((Weights) weights).bias;
      for (int p = 0; p < to.length; p++) {
        to[p] = (from == null ? 0 : from[p]) + (float) added.get(p);
      }
    }

    @Override
    public void exampleGrad(
        Tensor x, Tensor dy, long from, long to, Tensor dWeight, Tensor workspace) {
      for (int p = 0; p < dy.cols(); p++) {
        for (int k = 0; k < x.cols(); k++) {
          float sum = (float) dWeight.get(p, k);
          for (long t = from; t < to; t++) {
            sum += (float) dy.get(t, p) * (float) x.get(t, k);
          }
          dWeight.set(p, k, sum);
        }
      }
    }

    @Override
    public void biasExampleGrad(Tensor dy, long from, long to, Tensor dBias) {
      for (int p = 0; p < dy.cols(); p++) {
        float sum = (float) dBias.get(p);
        for (long t = from; t < to; t++) {
          sum += (float) dy.get(t, p);
        }
        dBias.set(p, sum);
      }
    }

    @Override
    public long workspace(
        DType type, long rows, int examples, long left, long right, long sketches) {
      return 0;
    }

    @Override
    public double exampleNorm(Tensor left, Tensor right, long from, long to, Tensor workspace) {
      throw new UnsupportedOperationException("adapters only");
    }

    @Override
    public double exampleNorm(
        Tensor left,
        Tensor right,
        long from,
        long to,
        LinearWeights vectors,
        EmbeddingRows more,
        int example,
        Tensor workspace) {
      throw new UnsupportedOperationException("adapters only");
    }

    @Override
    public void accumulate(
        Tensor left,
        Tensor right,
        Tensor starts,
        ClippedExamples examples,
        EmbeddingRows more,
        Tensor sums,
        Tensor workspace) {
      throw new UnsupportedOperationException("adapters only");
    }

    @Override
    public void round(Tensor from, Tensor to) {
      to.copyFrom(from);
    }
  }

  /** Forward by naive sums; the way back adds single products, which the reference rounds alike. */
  private record NaiveConvolution(Convolution back) implements Convolution {
    @Override
    public void forward(
        Tensor x, Spans spans, Tensor weight, Tensor bias, int width, Tensor out, Tensor at) {
      for (int e = 0; e < spans.count(); e++) {
        for (int f = 0; f < weight.rows(); f++) {
          float largest = 0;
          int place = -1;
          for (int t = 0; t + width <= spans.queryCount(e); t++) {
            float value = 0;
            for (int i = 0; i < weight.cols(); i++) {
              long word = (spans.queryStart(e) + t) * x.cols() + i;
              value += (float) x.get(word) * (float) weight.get(f, i);
            }
            value += (float) bias.get(f);
            place = value > largest ? t : place;
            largest = Math.max(value, largest);
          }
          out.set(e, f, largest);
          at.set(e, f, place);
        }
      }
    }

    @Override
    public void backward(Tensor dOut, Tensor at, Spans spans, Tensor weight, int width, Tensor dx) {
      back.backward(dOut, at, spans, weight, width, dx);
    }

    @Override
    public void exampleGrad(
        Tensor x,
        Tensor dOut,
        Tensor at,
        Spans spans,
        int from,
        int to,
        int width,
        Tensor dWeight,
        Tensor dBias) {
      back.exampleGrad(x, dOut, at, spans, from, to, width, dWeight, dBias);
    }
  }

  private static final class Factors implements LoraFactors {
    private float[][] a;
    private float[][] b;
    private float scale;

    @Override
    public int rank() {
      return a.length;
    }

    @Override
    public long in() {
      return a[0].length;
    }

    @Override
    public long out() {
      return b.length;
    }
  }

  private record NaiveLora(DType compute) implements Lora {
    @Override
    public LoraFactors allocate(int rank, long in, long out, TensorArena arena) {
      return new Factors();
    }

    @Override
    public void pack(Tensor a, Tensor b, double scale, LoraFactors factors) {
      Factors f = (Factors) factors;
      f.a = rounded(a, compute);
      f.b = rounded(b, compute);
      f.scale = (float) scale;
    }

    @Override
    public void forward(Tensor x, LoraFactors factors, Tensor u) {
      Factors f = (Factors) factors;
      multiply(x, f.a, null, null, null, f.scale, u, false);
    }

    @Override
    public void backward(Tensor dy, LoraFactors factors, Tensor du) {
      Factors f = (Factors) factors;
      multiplyByColumns(dy, f.b, null, null, f.scale, du, false);
    }

    @Override
    public void exampleGrad(
        Tensor x, Tensor u, Tensor dy, Tensor du, long from, long to, Tensor dA, Tensor dB) {
      outer(du, x, from, to, dA);
      outer(dy, u, from, to, dB);
    }

    private static void outer(Tensor left, Tensor right, long from, long to, Tensor out) {
      for (int i = 0; i < left.cols(); i++) {
        for (int j = 0; j < right.cols(); j++) {
          float sum = 0;
          for (long t = from; t < to; t++) {
            sum += (float) left.get(t, i) * (float) right.get(t, j);
          }
          out.set(i, j, sum);
        }
      }
    }
  }
}
