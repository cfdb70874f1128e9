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
      AdamW settings,
      long step,
      Tensor parameters,
      Tensor firstMoment,
      Tensor secondMoment) {
    if (step < 1) {
      throw new IllegalArgumentException("step " + step + " is below 1: steps are counted from 1");
    }
    Check.type("sums", sums, DType.I64, DType.I32, DType.F64, DType.F32);
    Check.vector("parameters", parameters, sums.size());
    Check.vector("firstMoment", firstMoment, sums.size());
    Check.vector("secondMoment", secondMoment, sums.size());
    double firstCorrection = 1 - StrictMath.pow(settings.beta1(), step);
    double secondCorrection = 1 - StrictMath.pow(settings.beta2(), step);
    for (long i = 0; i < sums.size(); i++) {
      double g = gradScale * sums.get(i);
      double m = settings.beta1() * firstMoment.get(i) + (1 - settings.beta1()) * g;
      double v = settings.beta2() * secondMoment.get(i) + (1 - settings.beta2()) * g * g;
      double direction =
          (m / firstCorrection) / (Math.sqrt(v / secondCorrection) + settings.epsilon());
      double p = parameters.get(i);
      parameters.set(i, p - settings.learningRate() * (direction + settings.weightDecay() * p));
      firstMoment.set(i, m);
      secondMoment.set(i, v);
    }
  }
}
