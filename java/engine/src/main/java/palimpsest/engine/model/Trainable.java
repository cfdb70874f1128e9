package palimpsest.engine.model;

import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.TensorArena;

/** What a way of tuning trains of a decoder, or beside its frozen weights. */
public abstract sealed class Trainable extends FlatParameters
    permits Adapter, SoftPrompt, BiasVectors, AllWeights {
  private static final int[] NO_PROMPT = {};

  Trainable(Kernels kernels, long size, TensorArena arena) {
    super(kernels, size, arena);
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
