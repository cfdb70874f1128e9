package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Crossentropy;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Crossentropy} on native/src/crossentropy.cpp. */
final class CrossentropyCpu implements Crossentropy {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;

  CrossentropyCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "crossentropy_forward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS, ADDRESS));
    backward =
        cpu.bind(
            "crossentropy_backward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS, ADDRESS,
                ADDRESS, JAVA_INT, JAVA_LONG));
  }

  @Override
  public void forward(Tensor logits, Tensor targets, Tensor nll, Tensor lse) {
    cpu.requireWide(logits, nll, lse);
    cpu.requireType(DType.I32, targets);
    requireContiguous(targets, nll, lse);
    cpu.requireSame("rows", logits.rows(), targets.size(), nll.size(), lse.size());
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  logits.data(),
                  logits.stride(),
                  logits.rows(),
                  logits.cols(),
                  targets.data(),
                  nll.data(),
                  lse.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(Tensor logits, Tensor targets, Tensor weights, Tensor lse, Tensor dLogits) {
    cpu.requireWide(logits, weights, lse);
    cpu.requireType(DType.I32, targets);
    requireContiguous(targets, weights, lse);
    cpu.requireSame(
        "rows", logits.rows(), dLogits.rows(), targets.size(), weights.size(), lse.size());
    cpu.requireSame("columns", logits.cols(), dLogits.cols());
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  logits.data(),
                  logits.stride(),
                  logits.rows(),
                  logits.cols(),
                  targets.data(),
                  weights.data(),
                  lse.data(),
                  dLogits.data(),
                  cpu.typeOf(dLogits),
                  dLogits.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
