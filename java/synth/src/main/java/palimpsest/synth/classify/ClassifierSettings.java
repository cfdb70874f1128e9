package palimpsest.synth.classify;

import java.nio.file.Path;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.WordCnn;
import palimpsest.engine.tensor.DType;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.OptimizerSpec;
import palimpsest.synth.Schedule;

/**
 * How a classifier is trained: public choices, all of them.
 *
 * @param model of which kind it is
 * @param maxTokens the most tokens of a text that are read
 * @param epochs times that each text is read; the private step draws texts instead
 * @param batch texts a step, of training that is not private
 * @param optimizer what moves the parameters, and how fast
 * @param seed of the first values and of the order of the texts
 * @param execution bears on speed only, but for its type and the size of its groups, in which sums
 *     of floats are taken where training is not private
 */
public record ClassifierSettings(
    Model model,
    int maxTokens,
    int epochs,
    int batch,
    OptimizerSpec optimizer,
    long seed,
    ExecutionSpec execution) {
  /** A kind of model, and its sizes. */
  public sealed interface Model {}

  /**
   * A convolutional network over words (Kim 2014).
   *
   * @param vocabulary the words that it knows, a public list
   * @param embedding numbers a word
   * @param filters of each width
   */
  public record Convolution(WordVocabulary vocabulary, int embedding, int filters)
      implements Model {}

  /**
   * A pretrained encoder with low-rank adapters and a linear layer on the mean of a text's tokens.
   *
   * @param folder of the encoder
   * @param rank of the adapters; their scale is 2
   */
  public record PretrainedEncoder(Path folder, int rank) implements Model {}

  private static final int MAX_TOKENS = 1 << 16;

  /** Checks the sizes. */
  public ClassifierSettings {
    if (maxTokens < WordCnn.LEAST_WORDS || maxTokens > MAX_TOKENS) {
      throw new IllegalArgumentException(
          "a text of at most %d tokens; it must be %d to %d"
              .formatted(maxTokens, WordCnn.LEAST_WORDS, MAX_TOKENS));
    }
    if (epochs < 0 || batch < 1) {
      throw new IllegalArgumentException(
          "epochs must not be negative, a batch has one text at least");
    }
  }

  /** A convolutional network of the usual sizes: 100 numbers a word, 100 filters of each width. */
  public static ClassifierSettings convolution(WordVocabulary vocabulary) {
    return convolution(vocabulary, 100, 100);
  }

  /** A convolutional network. */
  public static ClassifierSettings convolution(
      WordVocabulary vocabulary, int embedding, int filters) {
    return new ClassifierSettings(
        new Convolution(vocabulary, embedding, filters),
        128,
        8,
        32,
        optimizer(2e-3),
        1,
        execution(DType.F32, 2048, 16));
  }

  /** A pretrained encoder with adapters of rank 8. */
  public static ClassifierSettings encoder(Path folder) {
    return new ClassifierSettings(
        new PretrainedEncoder(folder, 8),
        64,
        4,
        16,
        optimizer(2e-3),
        1,
        execution(DType.BF16, 512, 8));
  }

  private static OptimizerSpec optimizer(double rate) {
    return new OptimizerSpec(
        new Optimizer.AdamW(rate, 0.9, 0.999, 1e-8, 0.01), Schedule.LINEAR, 10, 0.1);
  }

  private static ExecutionSpec execution(DType compute, int rows, int examples) {
    return new ExecutionSpec(
        compute, Runtime.getRuntime().availableProcessors(), rows, examples, 1);
  }

  /** The same with other times that each text is read. */
  public ClassifierSettings withEpochs(int other) {
    return new ClassifierSettings(model, maxTokens, other, batch, optimizer, seed, execution);
  }

  /** The same with another seed. */
  public ClassifierSettings withSeed(long other) {
    return new ClassifierSettings(model, maxTokens, epochs, batch, optimizer, other, execution);
  }

  /** The same with another optimizer. */
  public ClassifierSettings withOptimizer(OptimizerSpec other) {
    return new ClassifierSettings(model, maxTokens, epochs, batch, other, seed, execution);
  }

  /** The same, shared out in another way. */
  public ClassifierSettings withExecution(ExecutionSpec other) {
    return new ClassifierSettings(model, maxTokens, epochs, batch, optimizer, seed, other);
  }

  /** The same for texts of another greatest length. */
  public ClassifierSettings withMaxTokens(int other) {
    return new ClassifierSettings(model, other, epochs, batch, optimizer, seed, execution);
  }
}
