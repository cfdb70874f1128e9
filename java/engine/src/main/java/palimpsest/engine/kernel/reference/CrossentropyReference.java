package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Crossentropy;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Crossentropy} in float64. */
final class CrossentropyReference implements Crossentropy {
  @Override
  public void forward(Tensor logits, Tensor targets, Tensor nll, Tensor lse) {
    int classes = Math.toIntExact(logits.cols());
    checkTargets(targets, logits);
    Check.vector("nll", nll, logits.rows());
    Check.vector("lse", lse, logits.rows());
    double[] row = new double[classes];
    for (long n = 0; n < logits.rows(); n++) {
      Rows.read(logits, n, row, 0);
      double max = Double.NEGATIVE_INFINITY;
      for (double value : row) {
        max = Math.max(max, value);
      }
      double sum = 0;
      for (double value : row) {
        sum += StrictMath.exp(value - max);
      }
      double logSum = max + StrictMath.log(sum);
      lse.set(n, logSum);
      nll.set(n, logSum - row[Check.index("targets", targets, n, classes)]);
    }
  }

  @Override
  public void backward(Tensor logits, Tensor targets, Tensor weights, Tensor lse, Tensor dLogits) {
    int classes = Math.toIntExact(logits.cols());
    checkTargets(targets, logits);
    Check.vector("weights", weights, logits.rows());
    Check.vector("lse", lse, logits.rows());
    Check.matrix("dLogits", dLogits, logits.rows(), classes);
    double[] row = new double[classes];
    // Front to back: a written row never reaches a row of logits that is still to be read.
    for (long n = 0; n < logits.rows(); n++) {
      Rows.read(logits, n, row, 0);
      double weight = weights.get(n);
      double logSum = lse.get(n);
      int target = Check.index("targets", targets, n, classes);
      for (int i = 0; i < classes; i++) {
        row[i] = weight * (StrictMath.exp(row[i] - logSum) - (i == target ? 1 : 0));
      }
      Rows.write(dLogits, n, row, 0);
    }
  }

  private static void checkTargets(Tensor targets, Tensor logits) {
    Check.type("targets", targets, DType.I32);
    Check.vector("targets", targets, logits.rows());
  }
}
