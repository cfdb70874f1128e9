package palimpsest.engine.train;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderClassifier;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WordCnn;
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
    return of(decoder, tuned, maxRows, maxExamples, false, arena);
  }

  /**
   * Those of what a decoder is tuned by.
   *
   * @param maxRows the most rows of a group, virtual tokens of a soft prompt included
   * @param maxExamples the most examples of a group
   * @param recompute keeps each block's input alone and computes the rest again on the way back:
   *     the same bits in less memory and more time
   * @param arena holds all buffers
   * @throws IllegalArgumentException if the method {@linkplain #requireRecomputable cannot}
   */
  static ExampleGradients of(
      Decoder decoder,
      Trainable tuned,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    requireRecomputable(tuned.method(), recompute);
    return switch (tuned) {
      case Adapter adapter ->
          new LoraGradients(decoder, adapter, maxRows, maxExamples, recompute, arena);
      case SoftPrompt prompt ->
          new PromptGradients(decoder, prompt, maxRows, maxExamples, recompute, arena);
      case BiasVectors biases ->
          new BiasGradients(decoder, biases, maxRows, maxExamples, recompute, arena);
      case AllWeights weights -> new WeightGradients(decoder, weights, maxRows, maxExamples, arena);
    };
  }

  /**
   * Those of a model of labels, for the private step.
   *
   * @param maxRows the most rows of a group
   * @param maxExamples the most examples of a group
   * @param arena holds all buffers
   */
  static ExampleGradients of(LabelModel model, int maxRows, int maxExamples, TensorArena arena) {
    return of(model, maxRows, maxExamples, maxExamples, arena);
  }

  /**
   * The same for {@link BatchGradient#accumulatePublic} alone: memory for one gradient, whatever
   * the size of a group.
   */
  static ExampleGradients inPublic(
      LabelModel model, int maxRows, int maxExamples, TensorArena arena) {
    return of(model, maxRows, maxExamples, 1, arena);
  }

  private static ExampleGradients of(
      LabelModel model, int maxRows, int maxExamples, int held, TensorArena arena) {
    return switch (model) {
      case EncoderClassifier encoder ->
          new EncoderGradients(encoder, maxRows, maxExamples, held, arena);
      case WordCnn words -> new WordCnnGradients(words, maxRows, maxExamples, held, arena);
    };
  }

  /**
   * Refuses to compute activations again where all of them must live until the sum.
   *
   * @throws IllegalArgumentException if {@code recompute} is asked of tuning the model's own
   *     weights
   */
  static void requireRecomputable(TuningMethod method, boolean recompute) {
    if (recompute && method instanceof TuningMethod.Full) {
      throw new IllegalArgumentException(
          "recompute: tuning the model's own weights keeps the activations of all layers until its sum"
              + " is made, so none can be computed again; lora, prompt and bias can");
    }
  }

  /**
   * Bytes of the buffers that {@link #of} makes for one worker.
   *
   * @param maxRows the most rows of a group, virtual tokens of a soft prompt included
   * @param maxExamples the most examples of a group
   * @throws IllegalArgumentException if the method {@linkplain #requireRecomputable cannot}
   */
  static long bytes(
      DecoderConfig config,
      Kernels kernels,
      TuningMethod method,
      int maxRows,
      int maxExamples,
      boolean recompute) {
    requireRecomputable(method, recompute);
    return method instanceof TuningMethod.Full full
        ? WeightGradients.bytes(config, kernels, full, maxRows, maxExamples)
        : DecoderGradients.bytes(config, kernels, method, maxRows, maxExamples, recompute);
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
