package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Convolution;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Convolution} on native/src/convolution.cpp. */
final class ConvolutionCpu implements Convolution {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;
  private final MethodHandle exampleGrad;

  ConvolutionCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "convolution_forward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS,
                ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG));
    backward =
        cpu.bind(
            "convolution_backward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT,
                ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG));
    exampleGrad =
        cpu.bind(
            "convolution_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG,
                ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS,
                ADDRESS));
  }

  @Override
  public void forward(
      Tensor x, Spans spans, Tensor weight, Tensor bias, int width, Tensor out, Tensor at) {
    check(x, spans, weight, bias, width, out, at);
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  x.data(),
                  x.rows(),
                  x.cols(),
                  spans.values().data(),
                  spans.values().cols(),
                  spans.count(),
                  weight.data(),
                  bias.data(),
                  weight.rows(),
                  (long) width,
                  out.data(),
                  out.stride(),
                  at.data(),
                  at.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(Tensor dOut, Tensor at, Spans spans, Tensor weight, int width, Tensor dx) {
    check(dx, spans, weight, null, width, dOut, at);
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  dOut.data(),
                  dOut.stride(),
                  at.data(),
                  at.stride(),
                  spans.values().data(),
                  spans.values().cols(),
                  spans.count(),
                  weight.data(),
                  weight.rows(),
                  (long) width,
                  dx.data(),
                  dx.rows(),
                  dx.cols()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(
      Tensor x,
      Tensor dOut,
      Tensor at,
      Spans spans,
      int from,
      int to,
      int width,
      Tensor dWeight,
      Tensor dBias) {
    check(x, spans, dWeight, dBias, width, dOut, at);
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  x.data(),
                  x.rows(),
                  x.cols(),
                  dOut.data(),
                  dOut.stride(),
                  at.data(),
                  at.stride(),
                  spans.values().data(),
                  spans.values().cols(),
                  spans.count(),
                  from,
                  to,
                  dWeight.rows(),
                  (long) width,
                  dWeight.data(),
                  dBias.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  /**
   * @param words [N, D]
   * @param filters [F, w D]
   * @param bias [F], or null
   * @param values [E, F]
   */
  private void check(
      Tensor words, Spans spans, Tensor filters, Tensor bias, int width, Tensor values, Tensor at) {
    cpu.requireWide(words, filters, bias, values);
    cpu.requireType(DType.I32, spans.values(), at);
    requireContiguous(words, filters, bias);
    cpu.requireSame("columns of a window", width * words.cols(), filters.cols());
    cpu.requireSame("filters", filters.rows(), values.cols(), at.cols());
    cpu.requireSame("examples", spans.count(), values.rows(), at.rows());
    if (bias != null) {
      cpu.requireSame("filters", filters.rows(), bias.size());
    }
  }
}
