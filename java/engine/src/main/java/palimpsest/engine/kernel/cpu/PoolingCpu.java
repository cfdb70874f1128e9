package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Pooling;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Pooling} on native/src/pooling.cpp. */
final class PoolingCpu implements Pooling {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;

  PoolingCpu(CpuKernels cpu) {
    this.cpu = cpu;
    FunctionDescriptor pass =
        FunctionDescriptor.of(
            JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT,
            ADDRESS, JAVA_LONG);
    forward = cpu.bind("pooling_forward", pass);
    backward = cpu.bind("pooling_backward", pass);
  }

  @Override
  public void forward(Tensor x, Spans spans, Tensor out) {
    run(forward, x, x.rows(), spans, out, out);
  }

  @Override
  public void backward(Tensor dOut, Spans spans, Tensor dx) {
    run(backward, dOut, dx.rows(), spans, dx, dOut);
  }

  /**
   * @param rows of all examples
   * @param examples a row an example
   */
  private void run(
      MethodHandle kernel, Tensor from, long rows, Spans spans, Tensor to, Tensor examples) {
    cpu.requireWide(from, to);
    cpu.requireType(DType.I32, spans.values());
    cpu.requireSame("columns", from.cols(), to.cols());
    cpu.requireSame("examples", spans.count(), examples.rows());
    try {
      cpu.check(
          (int)
              kernel.invokeExact(
                  from.data(),
                  from.stride(),
                  rows,
                  from.cols(),
                  spans.values().data(),
                  spans.values().cols(),
                  spans.count(),
                  to.data(),
                  to.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
