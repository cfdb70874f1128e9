package palimpsest.engine.kernel.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.kernel.Attention;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.Convolution;
import palimpsest.engine.kernel.Crossentropy;
import palimpsest.engine.kernel.Embedding;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Layernorm;
import palimpsest.engine.kernel.Linear;
import palimpsest.engine.kernel.Lora;
import palimpsest.engine.kernel.Noise;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.Pooling;
import palimpsest.engine.kernel.Rmsnorm;
import palimpsest.engine.kernel.Rope;
import palimpsest.engine.kernel.Sample;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * The CPU provider: libpalimpsest.so in one instruction-set tier and one compute type (F32 or
 * BF16). Safe for use by many threads.
 */
public final class CpuKernels implements Kernels {
  private final CpuLibrary library;
  private final CpuTier tier;
  private final DType compute;
  private final Embedding embedding;
  private final Rmsnorm rmsnorm;
  private final Layernorm layernorm;
  private final LinearCpu linear;
  private final Activation activation;
  private final Rope rope;
  private final AttentionCpu attention;
  private final Pooling pooling;
  private final Convolution convolution;
  private final Crossentropy crossentropy;
  private final Lora lora;
  private final Clip clip;
  private final Noise noise;
  private final Optimizer optimizer;
  private final Sample sample;

  /** In the best tier of this processor. */
  public CpuKernels(DType compute) {
    this(CpuLibrary.get().bestTier(), compute);
  }

  /** In a given tier. */
  public CpuKernels(CpuTier tier, DType compute) {
    if (compute != DType.F32 && compute != DType.BF16) {
      throw new IllegalArgumentException("the CPU kernels compute in F32 or BF16, not " + compute);
    }
    this.library = CpuLibrary.get();
    this.tier = tier;
    this.compute = compute;
    embedding = new EmbeddingCpu(this);
    rmsnorm = new RmsnormCpu(this);
    layernorm = new LayernormCpu(this);
    linear = new LinearCpu(this);
    activation = new ActivationCpu(this);
    rope = new RopeCpu(this);
    attention = new AttentionCpu(this);
    pooling = new PoolingCpu(this);
    convolution = new ConvolutionCpu(this);
    crossentropy = new CrossentropyCpu(this);
    lora = new LoraCpu(this, linear);
    clip = new ClipCpu(this);
    noise = new NoiseCpu(this);
    optimizer = new OptimizerCpu(this);
    sample = new SampleCpu(this);
  }

  @Override
  public String name() {
    return "cpu (" + tier + ", " + compute.name().toLowerCase(java.util.Locale.ROOT) + ")";
  }

  @Override
  public DType compute() {
    return compute;
  }

  @Override
  public DType wide() {
    return DType.F32;
  }

  public CpuTier tier() {
    return tier;
  }

  @Override
  public Embedding embedding() {
    return embedding;
  }

  @Override
  public Rmsnorm rmsnorm() {
    return rmsnorm;
  }

  @Override
  public Layernorm layernorm() {
    return layernorm;
  }

  @Override
  public Linear linear() {
    return linear;
  }

  @Override
  public Activation activation() {
    return activation;
  }

  @Override
  public Rope rope() {
    return rope;
  }

  @Override
  public Attention attention() {
    return attention;
  }

  @Override
  public Pooling pooling() {
    return pooling;
  }

  @Override
  public Convolution convolution() {
    return convolution;
  }

  @Override
  public Crossentropy crossentropy() {
    return crossentropy;
  }

  @Override
  public Lora lora() {
    return lora;
  }

  @Override
  public Clip clip() {
    return clip;
  }

  @Override
  public Noise noise() {
    return noise;
  }

  @Override
  public Sample sample() {
    return sample;
  }

  @Override
  public Optimizer optimizer() {
    return optimizer;
  }

  @Override
  public void close() {
    attention.close();
  }

  MethodHandle bind(String kernel, FunctionDescriptor descriptor) {
    return library.bind(tier, kernel, descriptor);
  }

  void check(int status) {
    library.check(status);
  }

  int panelWidth() {
    return library.panelWidth(tier);
  }

  /** The C interface's name of a tensor's type. */
  int typeOf(Tensor tensor) {
    return switch (tensor.type()) {
      case F32 -> 0;
      case BF16 -> 1;
      default ->
          throw new IllegalArgumentException("the CPU kernels take F32 or BF16, not " + tensor);
    };
  }

  /** The number of a type that sums of gradients can have. */
  int sumTypeOf(Tensor sums) {
    return switch (sums.type()) {
      case F32 -> 0;
      case I64 -> 2;
      case I32 -> 3;
      default -> throw new IllegalArgumentException("sums are I64, I32 or F32, not " + sums);
    };
  }

  void requireWide(Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.type() != DType.F32) {
        throw new IllegalArgumentException("expected F32, got " + tensor);
      }
    }
  }

  void requireCompute(Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.type() != compute) {
        throw new IllegalArgumentException("expected " + compute + ", got " + tensor);
      }
    }
  }

  void requireType(DType type, Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.type() != type) {
        throw new IllegalArgumentException("expected " + type + ", got " + tensor);
      }
    }
  }

  void requireSame(String what, long... values) {
    for (long value : values) {
      if (value != values[0]) {
        throw new IllegalArgumentException(what + " differ: " + java.util.Arrays.toString(values));
      }
    }
  }

  void requireRange(long from, long to, long rows) {
    if (from < 0 || to < from || to > rows) {
      throw new IllegalArgumentException("rows [" + from + ", " + to + ") of " + rows);
    }
  }
}
