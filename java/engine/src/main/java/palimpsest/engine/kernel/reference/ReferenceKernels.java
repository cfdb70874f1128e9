package palimpsest.engine.kernel.reference;

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

/**
 * The float64 reference provider: always there, slow, and the oracle of every other provider.
 *
 * <p>Every kernel reads its operands as doubles, computes in doubles and rounds once, when it
 * writes, to the type of the tensor written. So any mixture of float types may be passed; the two
 * types given to the constructor only say which a model should allocate.
 */
public final class ReferenceKernels implements Kernels {
  private final DType compute;
  private final DType wide;
  private final Embedding embedding = new EmbeddingReference();
  private final Rmsnorm rmsnorm = new RmsnormReference();
  private final Layernorm layernorm = new LayernormReference();
  private final Linear linear = new LinearReference();
  private final Activation activation = new ActivationReference();
  private final Rope rope = new RopeReference();
  private final Attention attention = new AttentionReference();
  private final Pooling pooling = new PoolingReference();
  private final Convolution convolution = new ConvolutionReference();
  private final Crossentropy crossentropy = new CrossentropyReference();
  private final Lora lora = new LoraReference();
  private final Clip clip = new ClipReference();
  private final Noise noise = new NoiseReference();
  private final Optimizer optimizer = new OptimizerReference();
  private final Sample sample = new SampleReference();

  /** Float64 throughout. */
  public ReferenceKernels() {
    this(DType.F64, DType.F64);
  }

  /**
   * Float64 arithmetic over tensors stored in other types.
   *
   * @param compute F64, F32 or BF16
   * @param wide F64 or F32
   */
  public ReferenceKernels(DType compute, DType wide) {
    if (compute != DType.F64 && compute != DType.F32 && compute != DType.BF16) {
      throw new IllegalArgumentException("compute type " + compute + " is not F64, F32 or BF16");
    }
    if (wide != DType.F64 && wide != DType.F32) {
      throw new IllegalArgumentException("wide type " + wide + " is not F64 or F32");
    }
    this.compute = compute;
    this.wide = wide;
  }

  @Override
  public String name() {
    return compute == DType.F64 && wide == DType.F64
        ? "reference"
        : "reference stored as " + compute + " and " + wide;
  }

  @Override
  public DType compute() {
    return compute;
  }

  @Override
  public DType wide() {
    return wide;
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

  /** Nothing to free: packed weights belong to the arena they were packed in. */
  @Override
  public void close() {}
}
