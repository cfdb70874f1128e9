package palimpsest.engine.kernel;

import palimpsest.engine.tensor.DType;

/**
 * Every numerical operation of the engine, one interface a stem, tensors in and tensors out. A
 * provider is the float64 reference, the CPU library or a GPU.
 *
 * <p><b>Batch invariance.</b> What a kernel writes for a row (a token, a sampling stream) depends
 * on that row, on the example it belongs to and on the weights only, to the bit: never on how many
 * rows there are, where the row stands, or what stands beside it. The guarantee of {@code
 * docs/privacy.md} rests on this.
 *
 * <p>Two element types run through a model: {@link #compute} for the operands of matrix products
 * and for saved activations, {@link #wide} for the residual stream, statistics and gradients on
 * their way.
 */
public interface Kernels extends AutoCloseable {
  /** Name and variant, as shown to the user. */
  String name();

  /** Type of matrix-product operands and saved activations: F64, F32 or BF16. */
  DType compute();

  /** Type of the residual stream, statistics and gradients: F64 or F32. */
  DType wide();

  Embedding embedding();

  Rmsnorm rmsnorm();

  Layernorm layernorm();

  Linear linear();

  Activation activation();

  Rope rope();

  Attention attention();

  Pooling pooling();

  Convolution convolution();

  Crossentropy crossentropy();

  Lora lora();

  Clip clip();

  Noise noise();

  Optimizer optimizer();

  Sample sample();

  @Override
  void close();
}
