package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Embedding;
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
