package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Layernorm;
import palimpsest.engine.tensor.Tensor;

/** {@link Layernorm} on native/src/layernorm.cpp. */
final class LayernormCpu implements Layernorm {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;
  private final MethodHandle exampleGrad;

  LayernormCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "layernorm_forward",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_INT,
                JAVA_LONG,
                ADDRESS,
                ADDRESS));
    backward =
        cpu.bind(
            "layernorm_backward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS, ADDRESS,
                JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG));
    exampleGrad =
        cpu.bind(
            "layernorm_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG,
                JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  @Override
  public void forward(
      Tensor x, Tensor weight, Tensor bias, double eps, Tensor y, Tensor mean, Tensor rstd) {
    cpu.requireWide(x, weight, bias, mean, rstd);
    requireContiguous(weight, bias, mean, rstd);
    cpu.requireSame("rows", x.rows(), y.rows(), mean.size(), rstd.size());
    cpu.requireSame("columns", x.cols(), y.cols(), weight.size(), bias.size());
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  x.data(),
                  x.stride(),
                  weight.data(),
                  bias.data(),
                  x.rows(),
                  x.cols(),
                  (float) eps,
                  y.data(),
                  cpu.typeOf(y),
                  y.stride(),
                  mean.data(),
                  rstd.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(Tensor dy, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dx) {
    cpu.requireWide(dy, x, weight, mean, rstd, dx);
    requireContiguous(weight, mean, rstd);
    cpu.requireSame("rows", x.rows(), dy.rows(), dx.rows(), mean.size(), rstd.size());
    cpu.requireSame("columns", x.cols(), dy.cols(), dx.cols(), weight.size());
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  dy.data(),
                  dy.stride(),
                  x.data(),
                  x.stride(),
                  weight.data(),
                  mean.data(),
                  rstd.data(),
                  x.rows(),
                  x.cols(),
                  dx.data(),
                  dx.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(
      Tensor dy,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      long from,
      long to,
      Tensor dWeight,
      Tensor dBias) {
    cpu.requireWide(dy, x, mean, rstd, dWeight, dBias);
    requireContiguous(mean, rstd, dWeight, dBias);
    cpu.requireRange(from, to, x.rows());
    cpu.requireSame("rows", x.rows(), dy.rows(), mean.size(), rstd.size());
    cpu.requireSame("columns", x.cols(), dy.cols(), dWeight.size(), dBias.size());
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  dy.data(),
                  dy.stride(),
                  x.data(),
                  x.stride(),
                  mean.data(),
                  rstd.data(),
                  from,
                  to,
                  x.cols(),
                  dWeight.data(),
                  dBias.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
