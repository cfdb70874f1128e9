package palimpsest.engine.train;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.TensorArena;

/**
 * Per-example gradients of one way of tuning, for one worker: whole examples in, clipped integers
 * out.
 */
public interface ExampleGradients {
  /**
   * Those of what a decoder is tuned by.
   *
   * @param maxRows the most rows of a group, virtual tokens of a soft prompt included
   * @param maxExamples the most examples of a group
   * @param arena holds all buffers
   */
  static ExampleGradients of(
      Decoder decoder, Trainable tuned, int maxRows, int maxExamples, TensorArena arena) {
    return switch (tuned) {
      case Adapter adapter -> new LoraGradients(decoder, adapter, maxRows, maxExamples, arena);
      case SoftPrompt prompt -> new PromptGradients(decoder, prompt, maxRows, maxExamples, arena);
      case BiasVectors biases -> new BiasGradients(decoder, biases, maxRows, maxExamples, arena);
      case AllWeights weights -> new WeightGradients(decoder, weights, maxRows, maxExamples, arena);
    };
  }

  /**
   * Bytes of the buffers that {@link #of} makes for one worker.
   *
   * @param maxRows the most rows of a group, virtual tokens of a soft prompt included
   * @param maxExamples the most examples of a group
   */
  static long bytes(
      DecoderConfig config, Kernels kernels, TuningMethod method, int maxRows, int maxExamples) {
    return method instanceof TuningMethod.Full full
        ? WeightGradients.bytes(config, kernels, full.norms(), maxRows, maxExamples)
        : SmallGradients.bytes(config, kernels, method, maxRows, maxExamples);
  }

  /**
   * Begins a step. What is random of gradients and is not the examples' own follows from its
   * number.
   *
   * @param step public; another in each step of a run
   */
  default void startStep(long step) {}

  /** The group to fill with examples before {@link #accumulate}. */
  TokenGroup group();

  /** P, the number of trained parameters. */
  long size();

  /**
   * Takes the group through the model and back and adds each example's clipped gradient to the sum.
   *
   * @param sum made for the same parameters by {@link ClippedSum#of}
   */
  void accumulate(ClippedSum sum);
}
