package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.address;
import static palimpsest.engine.kernel.cpu.Arguments.requirePresence;
import static palimpsest.engine.kernel.cpu.Arguments.stride;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.tensor.Tensor;

/** {@link Activation} on native/src/activation.cpp. */
final class ActivationCpu implements Activation {
  private final CpuKernels cpu;
  private final MethodHandle forward;
  private final MethodHandle backward;

  ActivationCpu(CpuKernels cpu) {
    this.cpu = cpu;
    forward =
        cpu.bind(
            "activation_forward",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_LONG,
                JAVA_LONG, ADDRESS, JAVA_LONG));
    backward =
        cpu.bind(
            "activation_backward",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS,
                JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG));
  }

  @Override
  public void forward(Kind kind, Tensor gate, Tensor up, Tensor out) {
    cpu.requireType(gate.type(), up, out);
    requirePresence("up", kind.gated(), up);
    requireShape(gate, up, out);
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  code(kind),
                  gate.data(),
                  gate.stride(),
                  address(up),
                  stride(up),
                  cpu.typeOf(gate),
                  gate.rows(),
                  gate.cols(),
                  out.data(),
                  out.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void backward(Kind kind, Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    cpu.requireType(gate.type(), up, dGate, dUp);
    cpu.requireWide(dOut);
    requirePresence("up", kind.gated(), up);
    requirePresence("dUp", kind.gated(), dUp);
    requireShape(gate, up, dOut, dGate, dUp);
    try {
      cpu.check(
          (int)
              backward.invokeExact(
                  code(kind),
                  gate.data(),
                  gate.stride(),
                  address(up),
                  stride(up),
                  cpu.typeOf(gate),
                  dOut.data(),
                  dOut.stride(),
                  gate.rows(),
                  gate.cols(),
                  dGate.data(),
                  dGate.stride(),
                  address(dUp),
                  stride(dUp)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  private void requireShape(Tensor gate, Tensor... others) {
    for (Tensor other : others) {
      if (other != null) {
        cpu.requireSame("rows", gate.rows(), other.rows());
        cpu.requireSame("columns", gate.cols(), other.cols());
      }
    }
  }

  /** The C interface's number of a kind. */
  private static int code(Kind kind) {
    return switch (kind) {
      case GELU_TANH -> 0;
      case SILU_GATED -> 1;
      case GELU_TANH_GATED -> 2;
      case GELU -> 3;
    };
  }
}
