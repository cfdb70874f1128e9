package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.tensor.Tensor;

/** {@link Optimizer} on native/src/optimizer.cpp. */
final class OptimizerCpu implements Optimizer {
  private final CpuKernels cpu;
  private final MethodHandle update;

  OptimizerCpu(CpuKernels cpu) {
    this.cpu = cpu;
    update =
        cpu.bind(
            "optimizer_update",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_INT,
                JAVA_LONG,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                JAVA_DOUBLE,
                ADDRESS,
                ADDRESS,
                ADDRESS));
  }

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
    int type = cpu.sumTypeOf(sums);
    cpu.requireWide(parameters, firstMoment, secondMoment);
    requireContiguous(sums, parameters, firstMoment, secondMoment);
    cpu.requireSame(
        "sizes", sums.size(), parameters.size(), firstMoment.size(), secondMoment.size());
    try {
      cpu.check(
          (int)
              update.invokeExact(
                  sums.data(),
                  type,
                  sums.size(),
                  gradScale,
                  settings.learningRate(),
                  settings.beta1(),
                  settings.beta2(),
                  settings.epsilon(),
                  settings.weightDecay(),
                  correction(settings.beta1(), step),
                  correction(settings.beta2(), step),
                  parameters.data(),
                  firstMoment.data(),
                  secondMoment.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  /** What undoes the bias of a moment that started at 0. */
  private static double correction(double beta, long step) {
    return 1 / (1 - Math.pow(beta, step));
  }
}
