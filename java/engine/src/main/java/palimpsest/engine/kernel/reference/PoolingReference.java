package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.kernel.Pooling;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.Tensor;

/** {@link Pooling} in float64. */
final class PoolingReference implements Pooling {
  @Override
  public void forward(Tensor x, Spans spans, Tensor out) {
    int width = Math.toIntExact(x.cols());
    Check.matrix("out", out, spans.count(), width);
    double[] row = new double[width];
    double[] mean = new double[width];
    for (int e = 0; e < spans.count(); e++) {
      int first = spans.queryStart(e);
      int end = end(spans, e, x.rows());
      Arrays.fill(mean, 0);
      for (int n = first; n < end; n++) {
        Rows.read(x, n, row, 0);
        Rows.axpy(1, row, 0, mean, 0, width);
      }
      for (int i = 0; i < width; i++) {
        mean[i] /= Math.max(1, end - first);
      }
      Rows.write(out, e, mean, 0);
    }
  }

  @Override
  public void backward(Tensor dOut, Spans spans, Tensor dx) {
    int width = Math.toIntExact(dx.cols());
    Check.matrix("dOut", dOut, spans.count(), width);
    double[] row = new double[width];
    for (int e = 0; e < spans.count(); e++) {
      int first = spans.queryStart(e);
      int end = end(spans, e, dx.rows());
      Rows.read(dOut, e, row, 0);
      for (int i = 0; i < width; i++) {
        row[i] /= Math.max(1, end - first);
      }
      for (int n = first; n < end; n++) {
        Rows.write(dx, n, row, 0);
      }
    }
  }

  private static int end(Spans spans, int example, long rows) {
    long end = (long) spans.queryStart(example) + spans.queryCount(example);
    Check.range(spans.queryStart(example), end, rows);
    return (int) end;
  }
}
