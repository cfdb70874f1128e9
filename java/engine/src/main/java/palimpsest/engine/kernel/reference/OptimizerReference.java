package palimpsest.engine.kernel.reference;

import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Optimizer} in float64. */
final class OptimizerReference implements Optimizer {
  @Override
  public void update(
      Tensor sums,
      double gradScale,
      Adaptive settings,
      long step,
      Tensor parameters,
      Tensor firstMoment,
      Tensor secondMoment) {
    if (step < 1) {
      throw new IllegalArgumentException("step " + step + " is below 1: steps are counted from 1");
    }
    check(sums, parameters, firstMoment, secondMoment);
    boolean decoupled = settings instanceof AdamW;
    double firstCorrection = 1 - StrictMath.pow(settings.beta1(), step);
    double secondCorrection = 1 - StrictMath.pow(settings.beta2(), step);
    for (long i = 0; i < sums.size(); i++) {
      double p = parameters.get(i);
      double decay = settings.weightDecay() * p;
      double g = gradScale * sums.get(i) + (decoupled ? 0 : decay);
      double m = settings.beta1() * firstMoment.get(i) + (1 - settings.beta1()) * g;
      double v = settings.beta2() * secondMoment.get(i) + (1 - settings.beta2()) * g * g;
      double direction =
          (m / firstCorrection) / (Math.sqrt(v / secondCorrection) + settings.epsilon());
      parameters.set(i, p - settings.learningRate() * (direction + (decoupled ? decay : 0)));
      firstMoment.set(i, m);
      secondMoment.set(i, v);
    }
  }

  @Override
  public void sgdUpdate(
      Tensor sums, double gradScale, Sgd settings, Tensor parameters, Tensor velocity) {
    check(sums, parameters, velocity);
    for (long i = 0; i < sums.size(); i++) {
      double p = parameters.get(i);
      double v = gradScale * sums.get(i) + settings.weightDecay() * p;
      if (velocity != null) {
        v += settings.momentum() * velocity.get(i);
        velocity.set(i, v);
      }
      parameters.set(i, p - settings.learningRate() * v);
    }
  }

  @Override
  public void factoredAccumulate(
      Tensor sums,
      double gradScale,
      Tensor rowFactors,
      Tensor colFactors,
      Tensor rowSums,
      Tensor colSums) {
    if ((rowFactors == null) != (colFactors == null)) {
      throw new IllegalArgumentException("factors of rows and of columns go together");
    }
    check(sums);
    checkFactors(sums, rowFactors, colFactors);
    checkFactors(sums, rowSums, colSums);
    for (long row = 0; row < sums.rows(); row++) {
      for (long col = 0; col < sums.cols(); col++) {
        double u = gradScale * sums.get(row, col) * factor(row, col, rowFactors, colFactors);
        rowSums.set(row, rowSums.get(row) + u * u);
        if (colSums != null) {
          colSums.set(col, colSums.get(col) + u * u);
        }
      }
    }
  }

  @Override
  public void factoredUpdate(
      Tensor sums,
      double gradScale,
      Adafactor settings,
      Tensor rowFactors,
      Tensor colFactors,
      double clip,
      Tensor parameters,
      Tensor firstMoment) {
    check(sums, parameters, firstMoment);
    checkFactors(sums, rowFactors, colFactors);
    for (long row = 0; row < sums.rows(); row++) {
      for (long col = 0; col < sums.cols(); col++) {
        double u = clip * gradScale * sums.get(row, col);
        u *= factor(row, col, rowFactors, colFactors);
        if (firstMoment != null) {
          u = settings.beta1() * firstMoment.get(row, col) + (1 - settings.beta1()) * u;
          firstMoment.set(row, col, u);
        }
        parameters.set(row, col, parameters.get(row, col) - settings.learningRate() * u);
      }
    }
  }

  private static double factor(long row, long col, Tensor rowFactors, Tensor colFactors) {
    return rowFactors == null ? 1 : rowFactors.get(row) * colFactors.get(col);
  }

  private static void checkFactors(Tensor sums, Tensor rows, Tensor cols) {
    if (rows != null) {
      Check.vector("rows", rows, sums.rows());
    }
    if (cols != null) {
      Check.vector("columns", cols, sums.cols());
    }
  }

  private static void check(Tensor sums, Tensor... states) {
    Check.type("sums", sums, DType.I64, DType.I32, DType.F64, DType.F32);
    for (Tensor state : states) {
      if (state != null) {
        Check.vector("what is updated", state, sums.size());
      }
    }
  }
}
