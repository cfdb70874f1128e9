package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static palimpsest.engine.kernel.cpu.Arguments.requireContiguous;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.kernel.EmbeddingRows;
import palimpsest.engine.kernel.Linear;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** {@link Linear} on native/src/linear.cpp. */
final class LinearCpu implements Linear {
  static final FunctionDescriptor FORWARD =
      FunctionDescriptor.of(
          JAVA_INT,
          ADDRESS,
          JAVA_LONG,
          ADDRESS,
          JAVA_LONG,
          ADDRESS,
          JAVA_LONG,
          ADDRESS,
          JAVA_LONG,
          JAVA_INT,
          ADDRESS,
          JAVA_FLOAT,
          JAVA_LONG,
          JAVA_LONG,
          ADDRESS,
          JAVA_INT,
          JAVA_LONG,
          JAVA_INT);

  private final CpuKernels cpu;
  private final MethodHandle pack;
  private final MethodHandle forward;
  private final MethodHandle exampleGrad;
  private final MethodHandle biasExampleGrad;
  private final MethodHandle round;
  private final MethodHandle workspace;
  private final MethodHandle exampleNorm;
  private final MethodHandle accumulate;

  /**
   * Packed copies of W: {@code forward} maps inputs to outputs, {@code backward} (or null) outputs
   * to inputs; the bias is padded to whole panels.
   *
   * @param base what it shares the copies with, if its bias is {@link #packBias}'s to set
   */
  private record Packed(
      long in, long out, Tensor forward, Tensor backward, Tensor bias, Packed base)
      implements LinearWeights {
    @Override
    public boolean hasBackward() {
      return backward != null;
    }
  }

  LinearCpu(CpuKernels cpu) {
    this.cpu = cpu;
    pack =
        cpu.bind(
            "linear_pack",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS,
                JAVA_INT));
    forward = cpu.bind("linear_forward", FORWARD);
    exampleGrad =
        cpu.bind(
            "linear_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_INT,
                JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG));
    round =
        cpu.bind(
            "linear_round",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_INT, JAVA_LONG));
    workspace =
        cpu.bind(
            "linear_workspace",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, ADDRESS));
    exampleNorm =
        cpu.bind(
            "linear_example_norm",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_INT,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                ADDRESS,
                JAVA_LONG));
    accumulate =
        cpu.bind(
            "linear_accumulate",
            FunctionDescriptor.of(
                JAVA_INT,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_INT,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                JAVA_INT,
                ADDRESS,
                ADDRESS,
                ADDRESS,
                ADDRESS,
                JAVA_LONG,
                JAVA_FLOAT,
                ADDRESS,
                JAVA_LONG,
                ADDRESS,
                ADDRESS,
                JAVA_LONG));
    biasExampleGrad =
        cpu.bind(
            "linear_bias_example_grad",
            FunctionDescriptor.of(
                JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** Memory for a packed matrix that maps {@code in} numbers to {@code out}. */
  Tensor allocatePacked(long in, long out, TensorArena arena) {
    long panel = cpu.panelWidth();
    long paddedIn = cpu.compute() == DType.BF16 ? (in + 1) / 2 * 2 : in;
    return arena.allocate(cpu.compute(), (out + panel - 1) / panel, paddedIn * panel);
  }

  /** Packs {@code source}, [out, in] or if {@code transposed} [in, out]. */
  void packInto(Tensor source, boolean transposed, long in, long out, Tensor packed) {
    try {
      cpu.check(
          (int)
              pack.invokeExact(
                  source.data(),
                  cpu.typeOf(source),
                  source.stride(),
                  transposed ? 1 : 0,
                  in,
                  out,
                  packed.data(),
                  cpu.typeOf(packed)));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public LinearWeights pack(Tensor weight, Tensor bias, boolean backward, TensorArena arena) {
    long out = weight.rows();
    long in = weight.cols();
    if (weight.type() != DType.F32 && weight.type() != DType.BF16) {
      try (TensorArena scratch = new TensorArena()) {
        return pack(scratch.allocate(DType.F32, out, in).copyFrom(weight), bias, backward, arena);
      }
    }
    Tensor packedForward = allocatePacked(in, out, arena);
    packInto(weight, false, in, out, packedForward);
    Tensor packedBackward = null;
    if (backward) {
      packedBackward = allocatePacked(out, in, arena);
      packInto(weight, true, out, in, packedBackward);
    }
    Tensor packedBias = null;
    if (bias != null) {
      cpu.requireSame("outputs", out, bias.size());
      packedBias = allocateBias(packedForward, arena);
      for (long i = 0; i < out; i++) {
        packedBias.set(i, bias.get(i));
      }
    }
    return new Packed(in, out, packedForward, packedBackward, packedBias, null);
  }

  @Override
  public void repack(Tensor weight, boolean inputMajor, Tensor bias, LinearWeights into) {
    Packed to = (Packed) into;
    cpu.requireWide(weight, bias);
    if (bias != null && to.bias == null || to.base != null) {
      throw new IllegalArgumentException("these weights have no bias of their own");
    }
    if (bias != null) {
      cpu.requireSame("outputs", to.out, bias.size());
    }
    if (weight != null) {
      cpu.requireSame("outputs", to.out, inputMajor ? weight.cols() : weight.rows());
      cpu.requireSame("inputs", to.in, inputMajor ? weight.rows() : weight.cols());
      packInto(weight, inputMajor, to.in, to.out, to.forward);
      if (to.backward != null) {
        packInto(weight, !inputMajor, to.out, to.in, to.backward);
      }
    }
    if (bias != null) {
      to.bias.reshape(to.out).copyFrom(bias);
    }
  }

  /** Zeros for the outputs of all panels. */
  private Tensor allocateBias(Tensor panels, TensorArena arena) {
    return arena.allocate(DType.F32, panels.rows() * cpu.panelWidth());
  }

  @Override
  public LinearWeights withBias(LinearWeights weights, TensorArena arena) {
    Packed w = (Packed) weights;
    return new Packed(w.in, w.out, w.forward, w.backward, allocateBias(w.forward, arena), w);
  }

  @Override
  public void packBias(Tensor added, LinearWeights weights) {
    Packed to = (Packed) weights;
    Packed from = to.base;
    if (from == null) {
      throw new IllegalArgumentException("the weights were not made by withBias");
    }
    cpu.requireWide(added);
    cpu.requireSame("outputs", from.out, added.size());
    for (long i = 0; i < from.out; i++) {
      to.bias.set(i, (from.bias == null ? 0 : from.bias.get(i)) + added.get(i));
    }
  }

  @Override
  public void forward(
      Tensor x, LinearWeights weights, Tensor u, LoraFactors factors, Tensor y, boolean add) {
    Packed w = (Packed) weights;
    LoraCpu.Packed f = (LoraCpu.Packed) factors;
    multiply(x, w.in, w.forward, u, f == null ? null : f.bForward(), f, w.bias, w.out, y, add);
  }

  @Override
  public void backward(
      Tensor dy, LinearWeights weights, Tensor du, LoraFactors factors, Tensor dx, boolean add) {
    Packed w = (Packed) weights;
    LoraCpu.Packed f = (LoraCpu.Packed) factors;
    if (w.backward == null) {
      throw new IllegalStateException("these weights were packed without a backward copy");
    }
    multiply(dy, w.out, w.backward, du, f == null ? null : f.aBackward(), f, null, w.in, dx, add);
  }

  private void multiply(
      Tensor x,
      long in,
      Tensor w,
      Tensor u,
      Tensor factor,
      LoraFactors lora,
      Tensor bias,
      long out,
      Tensor y,
      boolean add) {
    cpu.requireCompute(x, u);
    cpu.requireSame("rows", x.rows(), y.rows());
    cpu.requireSame("inputs", in, x.cols());
    cpu.requireSame("outputs", out, y.cols());
    long rank = 0;
    if (lora != null) {
      rank = lora.rank();
      cpu.requireSame("rank", rank, u.cols());
      cpu.requireSame("rows", x.rows(), u.rows());
    }
    try {
      cpu.check(
          (int)
              forward.invokeExact(
                  x.data(),
                  x.stride(),
                  w.data(),
                  in,
                  Arguments.address(u),
                  Arguments.stride(u),
                  Arguments.address(factor),
                  rank,
                  cpu.typeOf(x),
                  Arguments.address(bias),
                  1.0f,
                  x.rows(),
                  out,
                  y.data(),
                  cpu.typeOf(y),
                  y.stride(),
                  add ? 1 : 0));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void exampleGrad(
      Tensor x, Tensor dy, long from, long to, Tensor dWeight, Tensor workspace) {
    cpu.requireCompute(x, dy);
    cpu.requireWide(dWeight, workspace);
    requireContiguous(workspace);
    cpu.requireRange(from, to, Math.min(x.rows(), dy.rows()));
    cpu.requireSame("outputs", dy.cols(), dWeight.rows());
    cpu.requireSame("inputs", x.cols(), dWeight.cols());
    try {
      cpu.check(
          (int)
              exampleGrad.invokeExact(
                  dy.data(),
                  dy.stride(),
                  dy.cols(),
                  x.data(),
                  x.stride(),
                  x.cols(),
                  cpu.typeOf(x),
                  from,
                  to,
                  dWeight.data(),
                  dWeight.stride(),
                  workspace.data(),
                  workspace.size()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void biasExampleGrad(Tensor dy, long from, long to, Tensor dBias) {
    cpu.requireCompute(dy);
    cpu.requireWide(dBias);
    Arguments.requireContiguous(dBias);
    cpu.requireRange(from, to, dy.rows());
    cpu.requireSame("outputs", dy.cols(), dBias.size());
    try {
      cpu.check(
          (int)
              biasExampleGrad.invokeExact(
                  dy.data(), dy.stride(), cpu.typeOf(dy), from, to, dy.cols(), dBias.data()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public long workspace(DType type, long rows, int examples, long left, long right, long sketches) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment floats = GuardedMemory.allocate(arena, Long.BYTES, Long.BYTES);
      cpu.check(
          (int)
              workspace.invokeExact(
                  rows, examples, left, right, sketches, type == DType.BF16 ? 1 : 0, floats));
      return floats.get(JAVA_LONG, 0);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public double exampleNorm(Tensor left, Tensor right, long from, long to, Tensor workspace) {
    return norm(left, right, from, to, null, null, 0, workspace);
  }

  @Override
  public double exampleNorm(
      Tensor left,
      Tensor right,
      long from,
      long to,
      LinearWeights vectors,
      EmbeddingRows more,
      int example,
      Tensor workspace) {
    Packed packed = (Packed) vectors;
    cpu.requireSame("inputs of the vectors", left.cols(), packed.in);
    if (packed.bias != null) {
      throw new IllegalArgumentException("the vectors of a sketch have no bias");
    }
    if (more != null) {
      Arguments.requireRows(cpu, more, example, example + 1, right.cols());
    }
    return norm(left, right, from, to, packed, more, example, workspace);
  }

  /**
   * The norm, or with {@code vectors} its sketch.
   *
   * @param example which of {@code more}'s, if that is not null
   */
  private double norm(
      Tensor left,
      Tensor right,
      long from,
      long to,
      Packed vectors,
      EmbeddingRows more,
      int example,
      Tensor workspace) {
    cpu.requireCompute(left, right);
    cpu.requireWide(workspace);
    requireContiguous(workspace);
    cpu.requireRange(from, to, Math.min(left.rows(), right.rows()));
    long first = more == null ? 0 : more.starts().getLong(example);
    int count = more == null ? 0 : Math.toIntExact(more.starts().getLong(example + 1) - first);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment norm = GuardedMemory.allocate(arena, Double.BYTES, Double.BYTES);
      cpu.check(
          (int)
              exampleNorm.invokeExact(
                  left.data(),
                  left.stride(),
                  left.cols(),
                  right.data(),
                  right.stride(),
                  right.cols(),
                  cpu.typeOf(left),
                  from,
                  to,
                  Arguments.address(vectors == null ? null : vectors.forward),
                  vectors == null ? 0 : vectors.out,
                  Arguments.address(more == null ? null : more.ids().part(first, count)),
                  Arguments.address(more == null ? null : more.rows().part(first, count)),
                  count,
                  Arguments.address(more == null ? null : more.values()),
                  Arguments.stride(more == null ? null : more.values()),
                  more == null ? 0f : (float) more.scale(),
                  norm,
                  workspace.data(),
                  workspace.size()));
      return norm.get(JAVA_DOUBLE, 0);
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void accumulate(
      Tensor left,
      Tensor right,
      Tensor starts,
      ClippedExamples examples,
      EmbeddingRows more,
      Tensor sums,
      Tensor workspace) {
    cpu.requireType(left.type(), right);
    cpu.requireWide(examples.factors(), workspace);
    cpu.requireType(DType.I32, starts, sums);
    requireContiguous(starts, workspace);
    cpu.requireSame("rows of sums", left.cols(), sums.rows());
    cpu.requireSame("columns of sums", right.cols(), sums.cols());
    Arguments.requireStarts(starts, examples.count(), Math.min(left.rows(), right.rows()));
    if (more != null) {
      Arguments.requireRows(cpu, more, 0, examples.count(), sums.cols());
    }
    try {
      cpu.check(
          (int)
              accumulate.invokeExact(
                  left.data(),
                  left.stride(),
                  left.cols(),
                  right.data(),
                  right.stride(),
                  right.cols(),
                  cpu.typeOf(left),
                  starts.data(),
                  examples.count(),
                  examples.factors().data(),
                  examples.ratios().data(),
                  examples.bits(),
                  Arguments.address(more == null ? null : more.starts()),
                  Arguments.address(more == null ? null : more.ids()),
                  Arguments.address(more == null ? null : more.rows()),
                  Arguments.address(more == null ? null : more.values()),
                  Arguments.stride(more == null ? null : more.values()),
                  more == null ? 0f : (float) more.scale(),
                  sums.data(),
                  sums.stride(),
                  examples.totals().data(),
                  workspace.data(),
                  workspace.size()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }

  @Override
  public void round(Tensor from, Tensor to) {
    cpu.requireWide(from);
    cpu.requireSame("rows", from.rows(), to.rows());
    cpu.requireSame("columns", from.cols(), to.cols());
    try {
      cpu.check(
          (int)
              round.invokeExact(
                  from.data(),
                  from.stride(),
                  from.rows(),
                  from.cols(),
                  to.data(),
                  cpu.typeOf(to),
                  to.stride()));
    } catch (Throwable t) {
      throw CpuLibrary.rethrow(t);
    }
  }
}
