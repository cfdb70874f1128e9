package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Optimizer} on native/src/optimizer.cpp. */
final class OptimizerCpu implements Optimizer {
  private final CpuKernels cpu;
  private final MethodHandle update;
  private final MethodHandle sgdUpdate;
  private final MethodHandle factoredAccumulate;
  private final MethodHandle factoredUpdate;

  OptimizerCpu(CpuKernels cpu) {
    this.cpu = cpu;
    FunctionDescriptor sums = FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG);
    FunctionDescriptor matrix = sums.appendArgumentLayouts(JAVA_LONG, JAVA_DOUBLE);
    update =
        cpu.bind(
            "optimizer_update",
            sums.appendArgumentLayouts(
                JAVA_DOUBLE,
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
    sgdUpdate =
        cpu.bind(
            "optimizer_sgd_update",
            sums.appendArgumentLayouts(
                JAVA_DOUBLE, JAVA_DOUBLE, JAVA_DOUBLE, JAVA_DOUBLE, ADDRESS, ADDRESS));
    factoredAccumulate =
        cpu.bind(
            "optimizer_factored_accumulate",
            matrix.appendArgumentLayouts(ADDRESS, ADDRESS, ADDRESS, ADDRESS));
    factoredUpdate =
        cpu.bind(
            "optimizer_factored_update",
            matrix.appendArgumentLayouts(
                ADDRESS, ADDRESS, JAVA_DOUBLE, JAVA_DOUBLE, JAVA_DOUBLE, ADDRESS, ADDRESS));
  }

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
    int type = typeOf(sums, parameters, firstMoment, secondMoment);
    boolean decoupled = settings instanceof AdamW;
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
                  decoupled ? 0 : settings.weightDecay(),
                  decoupled ? settings.weightDecay() : 0,
                  correction(settings.beta1(), step),
                  correction(settings.beta2(), step),
                  parameters.data(),
                  firstMoment.data(),
                  secondMoment.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void sgdUpdate(
      Tensor sums, double gradScale, Sgd settings, Tensor parameters, Tensor velocity) {
    int type = typeOf(sums, parameters, velocity);
    try {
      cpu.check(
          (int)
              sgdUpdate.invokeExact(
                  sums.data(),
                  type,
                  sums.size(),
                  gradScale,
                  settings.learningRate(),
                  settings.momentum(),
                  settings.weightDecay(),
                  parameters.data(),
                  address(velocity)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
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
    int type = typeOf(sums);
    requireFactors(sums, rowFactors, colFactors);
    requireFactors(sums, rowSums, colSums);
    cpu.requireWide(rowFactors, colFactors);
    cpu.requireType(DType.F64, rowSums, colSums);
    try {
      cpu.check(
          (int)
              factoredAccumulate.invokeExact(
                  sums.data(),
                  type,
                  sums.rows(),
                  sums.cols(),
                  gradScale,
                  address(rowFactors),
                  address(colFactors),
                  rowSums.data(),
                  address(colSums)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
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
    int type = typeOf(sums, parameters, firstMoment);
    requireFactors(sums, rowFactors, colFactors);
    cpu.requireWide(rowFactors, colFactors);
    try {
      cpu.check(
          (int)
              factoredUpdate.invokeExact(
                  sums.data(),
                  type,
                  sums.rows(),
                  sums.cols(),
                  gradScale,
                  rowFactors.data(),
                  colFactors.data(),
                  clip,
                  settings.learningRate(),
                  settings.beta1(),
                  parameters.data(),
                  address(firstMoment)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  /** The number of the sums' type, when all fit together. */
  private int typeOf(Tensor sums, Tensor... states) {
    cpu.requireWide(states);
    requireContiguous(sums);
    for (Tensor state : states) {
      if (state != null) {
        requireContiguous(state);
        cpu.requireSame("sizes", sums.size(), state.size());
      }
    }
    return cpu.sumTypeOf(sums);
  }

  private void requireFactors(Tensor sums, Tensor rows, Tensor cols) {
    if (rows != null) {
      requireContiguous(rows);
      cpu.requireSame("rows", sums.rows(), rows.size());
    }
    if (cols != null) {
      requireContiguous(cols);
      cpu.requireSame("columns", sums.cols(), cols.size());
    }
  }

  private static MemorySegment address(Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : tensor.data();
  }

  /** What undoes the bias of a moment that started at 0. */
  private static double correction(double beta, long step) {
    return 1 / (1 - Math.pow(beta, step));
  }
}
