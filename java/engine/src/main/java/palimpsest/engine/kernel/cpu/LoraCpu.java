package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Lora;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** {@link Lora} on native/src/lora.cpp. */
final class LoraCpu implements Lora {
  private final CpuKernels cpu;
  private final LinearCpu linear;
  private final MethodHandle forward;
  private final MethodHandle backward;
  private final MethodHandle exampleGrad;

  /** Both factors, packed for both directions: A maps inputs to rank, B rank to outputs, and back. */
  static final class Packed implements LoraFactors {
    private final int rank;
    private final long in;
    private final long out;
    private final Tensor aForward;
    private final Tensor aBackward;
    private final Tensor bForward;
    private final Tensor bBackward;
    private float scale;

    private Packed(int rank, long in, long out, Tensor aForward, Tensor aBackward, Tensor bForward, Tensor bBackward) {
      this.rank = rank;
      this.in = in;
      this.out = out;
      this.aForward = aForward;
      this.aBackward = aBackward;
      this.bForward = bForward;
      this.bBackward = bBackward;
    }

    @Override
    public int rank() {
      return rank;
    }

    @Override
    public long in() {
      return in;
    }

    @Override
    public long out() {
      return out;
    }

    /** A as a map from rank to inputs. */
    Tensor aBackward() {
      return aBackward;
    }

    /** B as a map from rank to outputs. */
    Tensor bForward() {
      return bForward;
    }
  }

  LoraCpu(CpuKernels cpu, LinearCpu linear) {
    this.cpu = cpu;
    this.linear = linear;
    FunctionDescriptor project =
        FunctionDescriptor.of(
            JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_FLOAT, JAVA_LONG, ADDRESS, JAVA_LONG);
    forward = cpu.bind("lora_forward", project);
    backward = cpu.bind("lora_backward", project);
    exampleGrad =
        cpu.bind(
            "lora_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT,
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  @Override
  public LoraFactors allocate(int rank, long in, long out, TensorArena arena) {
    if (rank < 1 || cpu.compute() == DType.BF16 && rank % 2 != 0) {
      throw new IllegalArgumentException("the adapter rank must be positive, and even in bfloat16, not " + rank);
    }
    return new Packed(
        rank,
        in,
        out,
        linear.allocatePacked(in, rank, arena),
        linear.allocatePacked(rank, in, arena),
        linear.allocatePacked(rank, out, arena),
        linear.allocatePacked(out, rank, arena));
  }

  @Override
  public void pack(Tensor a, Tensor b, double scale, LoraFactors factors) {
    Packed f = (Packed) factors;
    cpu.requireSame("rank", f.rank, a.rows(), b.cols());
    cpu.requireSame("inputs", f.in, a.cols());
    cpu.requireSame("outputs", f.out, b.rows());
    linear.packInto(a, false, f.in, f.rank, f.aForward);
    linear.packInto(a, true, f.rank, f.in, f.aBackward);
    linear.packInto(b, false, f.rank, f.out, f.bForward);
    linear.packInto(b, true, f.out, f.rank, f.bBackward);
    f.scale = (float) scale;
  }

  @Override
  public void forward(Tensor x, LoraFactors factors, Tensor u) {
    Packed f = (Packed) factors;
    project(forward, x, f.in, f.aForward, f, u);
  }

  @Override
  public void backward(Tensor dy, LoraFactors factors, Tensor du) {
    Packed f = (Packed) factors;
    project(backward, dy, f.out, f.bBackward, f, du);
  }

  private void project(MethodHandle kernel, Tensor x, long in, Tensor factor, Packed f, Tensor u) {
    cpu.requireCompute(x, u);
    cpu.requireSame("rows", x.rows(), u.rows());
    cpu.requireSame("inputs", in, x.cols());
    cpu.requireSame("rank", f.rank, u.cols());
    try {
      cpu.check(
          (int)
              kernel.invokeExact(
                  x.data(), x.stride(), factor.data(), in, (long) f.rank, cpu.typeOf(x), f.scale, x.rows(), u.data(), u.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(Tensor x, Tensor u, Tensor dy, Tensor du, long from, long to, Tensor dA, Tensor dB) {
    cpu.requireCompute(x, u, dy, du);
    cpu.requireWide(dA, dB);
    cpu.requireRange(from, to, x.rows());
    cpu.requireSame("rows", x.rows(), u.rows(), dy.rows(), du.rows());
    cpu.requireSame("rank", u.cols(), du.cols(), dA.rows(), dB.cols());
    cpu.requireSame("inputs", x.cols(), dA.cols());
    cpu.requireSame("outputs", dy.cols(), dB.rows());
    if (!dA.isContiguous() || !dB.isContiguous()) {
      throw new IllegalArgumentException("an adapter's gradients must be contiguous");
    }
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  x.data(), x.stride(), u.data(), u.stride(), dy.data(), dy.stride(), du.data(), du.stride(), cpu.typeOf(x),
                  x.cols(), dy.cols(), u.cols(), from, to, dA.data(), dB.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
