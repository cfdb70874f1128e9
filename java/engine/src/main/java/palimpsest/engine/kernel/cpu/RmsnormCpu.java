package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Rmsnorm;
import palimpsest.engine.tensor.Tensor;

/** {@link Rmsnorm} on native/src/rmsnorm.cpp. */
final class RmsnormCpu implements Rmsnorm {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;
  private final MethodHandle exampleGrad;

  RmsnormCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "rmsnorm_forward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, ADDRESS, JAVA_INT, JAVA_LONG, ADDRESS));
    backward =
        cpu.bind(
            "rmsnorm_backward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG));
    exampleGrad =
        cpu.bind(
            "rmsnorm_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  @Override
  public void forward(Tensor x, Tensor weight, double eps, Tensor y, Tensor rstd) {
    cpu.requireWide(x, weight, rstd);
    cpu.requireSame("rows", x.rows(), y.rows(), rstd.size());
    cpu.requireSame("columns", x.cols(), y.cols(), weight.size());
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  x.data(), x.stride(), weight.data(), x.rows(), x.cols(), (float) eps, y.data(), cpu.typeOf(y), y.stride(), rstd.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx) {
    cpu.requireWide(dy, x, weight, rstd, dx);
    cpu.requireSame("rows", x.rows(), dy.rows(), dx.rows(), rstd.size());
    cpu.requireSame("columns", x.cols(), dy.cols(), dx.cols(), weight.size());
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  dy.data(), dy.stride(), x.data(), x.stride(), weight.data(), rstd.data(), x.rows(), x.cols(), dx.data(), dx.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(Tensor dy, Tensor x, Tensor rstd, long from, long to, Tensor dWeight) {
    cpu.requireWide(dy, x, rstd, dWeight);
    cpu.requireRange(from, to, x.rows());
    cpu.requireSame("columns", x.cols(), dy.cols(), dWeight.size());
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  dy.data(), dy.stride(), x.data(), x.stride(), rstd.data(), from, to, x.cols(), dWeight.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
