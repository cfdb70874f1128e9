package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Rope;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** {@link Rope} on native/src/rope.cpp. */
final class RopeCpu implements Rope {
  private final CpuKernels cpu;
  private final MethodHandle forward;

  RopeCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "rope_forward",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS,
                ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT,
                JAVA_LONG));
  }

  @Override
  public void forward(Tensor x, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor y) {
    turn(x, heads, positions, cos, sin, false, y);
  }

  @Override
  public void backward(Tensor dy, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor dx) {
    turn(dy, heads, positions, cos, sin, true, dx);
  }

  private void turn(
      Tensor x, int heads, Tensor positions, Tensor cos, Tensor sin, boolean inverse, Tensor y) {
    cpu.requireWide(x, cos, sin);
    cpu.requireType(DType.I32, positions);
    requireContiguous(positions);
    cpu.requireSame("rows", x.rows(), y.rows(), positions.size());
    cpu.requireSame("columns", x.cols(), y.cols());
    cpu.requireSame("positions", cos.rows(), sin.rows());
    cpu.requireSame("angles", cos.cols(), sin.cols());
    if (heads < 1 || x.cols() % heads != 0) {
      throw new IllegalArgumentException(x.cols() + " columns are not " + heads + " heads");
    }
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  x.data(),
                  x.stride(),
                  x.rows(),
                  heads,
                  x.cols() / heads,
                  2 * cos.cols(),
                  positions.data(),
                  cos.data(),
                  cos.stride(),
                  sin.data(),
                  sin.stride(),
                  cos.rows(),
                  inverse ? 1 : 0,
                  y.data(),
                  cpu.typeOf(y),
                  y.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
