package palimpsest.engine.model;

import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What a way of tuning trains of a decoder, or beside its frozen weights. All parameters lie in one
 * flat vector, so that an example's gradient, the clipped sum, the noise and the optimizer see
 * nothing else: what is not in the vector is not trained, and what is in it is clipped as a whole.
 */
public abstract sealed class Trainable permits Adapter, SoftPrompt, BiasVectors, AllWeights {
  private static final int[] NO_PROMPT = {};

  private final Tensor parameters;
  private final long size;

  Trainable(Kernels kernels, long size, TensorArena arena) {
    this.size = size;
    parameters = arena.allocate(kernels.wide(), size);
  }

  /** How it is tuned: with the base model, all that its shapes follow from. */
  public abstract TuningMethod method();

  /**
   * The start of training.
   *
   * @param base the model that the decoder is
   * @param random the only source of what is random in it
   */
  public abstract void initialize(ModelFolder base, RandomGenerator random);

  /** Hands the present parameters to the kernels; call it after every change. */
  public abstract void pack();

  /** P, the number of parameters. */
  public final long size() {
    return size;
  }

  /** All parameters, wide [P]. After a change call {@link #pack}. */
  public final Tensor parameters() {
    return parameters;
  }

  /** Whether every parameter is a finite number. */
  public final boolean isFinite() {
    for (long i = 0; i < size; i++) {
      if (!Double.isFinite(parameters.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** Width of the low-rank products that a pass keeps for each linear layer; 0 for none. */
  public int rank() {
    return 0;
  }

  /**
   * Virtual tokens that stand in front of everything the model reads: ids behind the vocabulary, in
   * order. Empty where there are none.
   */
  public int[] prompt() {
    return NO_PROMPT;
  }

  /** The packed factors of a linear layer's low-rank term, or null. */
  LoraFactors factors(Role role, int layer) {
    return null;
  }

  /** What a linear layer computes with: its own weights unless others are in their place. */
  LinearWeights weights(Role role, int layer, LinearWeights own) {
    return own;
  }
}
