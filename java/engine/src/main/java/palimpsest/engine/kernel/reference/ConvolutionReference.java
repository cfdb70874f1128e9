package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.kernel.Convolution;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Convolution} in float64, one window and one filter at a time. */
final class ConvolutionReference implements Convolution {
  @Override
  public void forward(
      Tensor x, Spans spans, Tensor weight, Tensor bias, int width, Tensor out, Tensor at) {
    int filters = filters(weight, width, x.cols());
    Check.vector("bias", bias, filters);
    Check.matrix("out", out, spans.count(), filters);
    checkPlaces(at, spans, filters);
    double[] w = Rows.all(weight);
    for (int e = 0; e < spans.count(); e++) {
      double[] words = Rows.range(x, spans.queryStart(e), end(spans, e, x.rows()));
      for (int f = 0; f < filters; f++) {
        double largest = 0;
        int place = -1;
        for (int t = 0; t + width <= spans.queryCount(e); t++) {
          double value = bias.get(f) + product(words, t * cols(x), w, f, width * cols(x));
          if (value > largest) {
            largest = value;
            place = t;
          }
        }
        out.set(e, f, largest);
        at.set(e, f, place);
      }
    }
  }

  private static int cols(Tensor x) {
    return Math.toIntExact(x.cols());
  }

  private static double product(double[] words, int offset, double[] w, int filter, int window) {
    double sum = 0;
    for (int i = 0; i < window; i++) {
      sum += words[offset + i] * w[filter * window + i];
    }
    return sum;
  }

  @Override
  public void backward(Tensor dOut, Tensor at, Spans spans, Tensor weight, int width, Tensor dx) {
    int filters = filters(weight, width, dx.cols());
    Check.matrix("dOut", dOut, spans.count(), filters);
    checkPlaces(at, spans, filters);
    double[] w = Rows.all(weight);
    double[] row = new double[cols(dx)];
    for (int e = 0; e < spans.count(); e++) {
      end(spans, e, dx.rows());
      checkWindows(at, spans, e, filters, width);
      for (int f = 0; f < filters; f++) {
        int place = (int) at.get(e, f);
        for (int k = 0; place >= 0 && k < width; k++) {
          Arrays.fill(row, 0);
          Rows.axpy(dOut.get(e, f), w, (f * width + k) * row.length, row, 0, row.length);
          Rows.add(dx, spans.queryStart(e) + place + k, row, 0);
        }
      }
    }
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
    int filters = filters(dWeight, width, x.cols());
    Check.range(from, to, spans.count());
    Check.vector("dBias", dBias, filters);
    Check.matrix("dOut", dOut, spans.count(), filters);
    checkPlaces(at, spans, filters);
    for (int e = from; e < to; e++) {
      checkWindows(at, spans, e, filters, width);
      double[] words = Rows.range(x, spans.queryStart(e), end(spans, e, x.rows()));
      double[] row = new double[width * cols(x)];
      for (int f = 0; f < filters; f++) {
        int place = (int) at.get(e, f);
        if (place >= 0) {
          Arrays.fill(row, 0);
          Rows.axpy(dOut.get(e, f), words, place * cols(x), row, 0, row.length);
          Rows.add(dWeight, f, row, 0);
          dBias.set(f, dBias.get(f) + dOut.get(e, f));
        }
      }
    }
  }

  private static int filters(Tensor weight, int width, long cols) {
    if (width < 1) {
      throw new IllegalArgumentException("a filter reads one word at least, not " + width);
    }
    Check.matrix("weight", weight, weight.rows(), width * cols);
    return Math.toIntExact(weight.rows());
  }

  private static void checkPlaces(Tensor at, Spans spans, int filters) {
    Check.type("at", at, DType.I32);
    Check.matrix("at", at, spans.count(), filters);
  }

  private static void checkWindows(Tensor at, Spans spans, int example, int filters, int width) {
    for (int f = 0; f < filters; f++) {
      int place = (int) at.get(example, f);
      if (place != -1 && (place < 0 || place > spans.queryCount(example) - width)) {
        throw new IllegalArgumentException("at has a window outside its text");
      }
    }
  }

  private static int end(Spans spans, int example, long rows) {
    long end = (long) spans.queryStart(example) + spans.queryCount(example);
    Check.range(spans.queryStart(example), end, rows);
    return (int) end;
  }
}
