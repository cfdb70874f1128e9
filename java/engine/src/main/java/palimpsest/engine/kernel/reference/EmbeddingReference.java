package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.Embedding;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Embedding} in float64. */
final class EmbeddingReference implements Embedding {
  @Override
  public void forward(
      Tensor ids, Tensor positions, Tensor table, Tensor positionTable, double scale, Tensor out) {
    int width = Math.toIntExact(out.cols());
    check(ids, positions, out, table, positionTable);
    double[] row = new double[width];
    double[] position = new double[width];
    double[] result = new double[width];
    for (long n = 0; n < out.rows(); n++) {
      Rows.read(table, Check.index("ids", ids, n, table.rows()), row, 0);
      if (positionTable != null) {
        int at = Check.index("positions", positions, n, positionTable.rows());
        Rows.read(positionTable, at, position, 0);
      }
      for (int i = 0; i < width; i++) {
        result[i] = scale * row[i] + position[i];
      }
      Rows.write(out, n, result, 0);
    }
  }

  @Override
  public void exampleGrad(
      Tensor ids,
      Tensor positions,
      Tensor dOut,
      long from,
      long to,
      double scale,
      Tensor dTable,
      Tensor dPositions) {
    int width = Math.toIntExact(dOut.cols());
    check(ids, positions, dOut, dTable, dPositions);
    Check.range(from, to, dOut.rows());
    double[] gradient = new double[width];
    double[] scaled = new double[width];
    for (long n = from; n < to; n++) {
      Rows.read(dOut, n, gradient, 0);
      for (int i = 0; i < width; i++) {
        scaled[i] = scale * gradient[i];
      }
      Rows.add(dTable, Check.index("ids", ids, n, dTable.rows()), scaled, 0);
      if (dPositions != null) {
        int at = Check.index("positions", positions, n, dPositions.rows());
        Rows.add(dPositions, at, gradient, 0);
      }
    }
  }

  @Override
  public double exampleNorm(
      EmbeddingRows rows,
      int example,
      Tensor left,
      Tensor right,
      long from,
      long to,
      long vocabulary) {
    int width = Math.toIntExact(rows.values().cols());
    double[] gradient = new double[Math.toIntExact(vocabulary * width)];
    addRows(rows, example, gradient, Math.toIntExact(vocabulary));
    double norm = product(gradient, gradient);
    if (left == null) {
      return norm;
    }
    Check.matrix("left", left, right.rows(), vocabulary);
    Check.range(from, to, left.rows());
    return norm + 2 * product(LinearReference.product(left, right, from, to), gradient);
  }

  private static double product(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  @Override
  public void accumulate(EmbeddingRows rows, ClippedExamples examples, Tensor sums) {
    Check.type("sums", sums, DType.I32);
    Check.matrix("sums", sums, sums.rows(), rows.values().cols());
    for (int e = 0; e < examples.count(); e++) {
      if (examples.ratios().getLong(e) != 0 && examples.enters(e)) {
        double[] gradient = new double[Math.toIntExact(sums.size())];
        addRows(rows, e, gradient, Math.toIntExact(sums.rows()));
        LinearReference.enter(gradient, examples, e, sums);
      }
    }
  }

  /** Adds an example's rows to a gradient of the table, [V, C] row by row. */
  static void addRows(EmbeddingRows more, int example, double[] gradient, int vocabulary) {
    int width = Math.toIntExact(more.values().cols());
    double[] row = new double[width];
    for (long i = more.starts().getLong(example); i < more.starts().getLong(example + 1); i++) {
      Rows.read(more.values(), more.rows().getLong(i), row, 0);
      int id = Check.index("ids", more.ids(), i, vocabulary);
      Rows.axpy(more.scale(), row, 0, gradient, id * width, width);
    }
  }

  private static void check(
      Tensor ids, Tensor positions, Tensor rows, Tensor table, Tensor positionTable) {
    Check.type("ids", ids, DType.I32);
    Check.vector("ids", ids, rows.rows());
    Check.matrix("table", table, table.rows(), rows.cols());
    if (positionTable != null) {
      Check.type("positions", positions, DType.I32);
      Check.vector("positions", positions, rows.rows());
      Check.matrix("position table", positionTable, positionTable.rows(), rows.cols());
    }
  }
}
