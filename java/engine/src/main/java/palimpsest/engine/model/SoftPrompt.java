package palimpsest.engine.model;

import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A soft prompt (Lester, Al-Rfou and Constant 2021): m virtual tokens in front of everything that
 * the model reads, whose embeddings are trained. Their ids are the ones behind the vocabulary, so
 * positions, attention and the cache treat them as tokens; the output layer has no row for them and
 * never predicts one.
 */
public final class SoftPrompt extends Trainable {
  /** A stretch of rows that read tokens of the vocabulary, or virtual ones in ascending order. */
  @FunctionalInterface
  interface Run {
    /**
     * @param row the first
     * @param count of rows
     * @param virtual the first row's virtual token, from 0; -1 for tokens of the vocabulary
     */
    void at(int row, int count, int virtual);
  }

  private final Decoder decoder;
  private final int[] prompt;
  private final Tensor ids;
  private final Tensor table;

  /**
   * @param decoder the model that it is for
   * @param tokens m
   * @param arena holds parameters and their packed copy
   */
  public SoftPrompt(Decoder decoder, int tokens, TensorArena arena) {
    super(
        decoder.kernels(), new TuningMethod.Prompt(tokens).parameterCount(decoder.config()), arena);
    this.decoder = decoder;
    int vocabulary = decoder.config().vocabularySize();
    prompt = IntStream.range(vocabulary, vocabulary + tokens).toArray();
    ids = arena.allocate(DType.I32, tokens);
    for (int i = 0; i < tokens; i++) {
      ids.set(i, i);
    }
    table = arena.allocate(decoder.kernels().compute(), tokens, decoder.config().width());
  }

  @Override
  public TuningMethod method() {
    return new TuningMethod.Prompt(prompt.length);
  }

  @Override
  public int[] prompt() {
    return prompt.clone();
  }

  /** The embeddings of the virtual tokens, [m, C], as a view of a flat tensor of P numbers. */
  public Tensor embeddings(Tensor flat) {
    return flat.part(0, prompt.length, decoder.config().width());
  }

  /** Normally distributed, with the mean square of the model's own embeddings. */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    double spread = decoder.embeddingSpread();
    for (long i = 0; i < size(); i++) {
      parameters().set(i, spread * random.nextGaussian());
    }
    pack();
  }

  @Override
  public void pack() {
    decoder.kernels().linear().round(embeddings(parameters()), table);
  }

  /**
   * Writes the embeddings of virtual tokens, as they stand: a model's factor on its own embeddings
   * is not theirs.
   *
   * @param first of the virtual tokens
   * @param positions I32 [count] of the rows
   * @param places the model's position embeddings, compute [positions, C], or null
   * @param x wide [count, C]
   */
  void embed(int first, Tensor positions, Tensor places, Tensor x) {
    Kernels kernels = decoder.kernels();
    kernels.embedding().forward(ids(first, x.rows()), positions, table, places, 1, x);
  }

  /**
   * Sets a gradient to what those of rows [from, to) contribute that read virtual tokens.
   *
   * @param ids I32 [N], of all rows of the group
   * @param dx wide [N, C], the gradient at the embedding's output
   * @param flat wide [P], overwritten
   */
  public void exampleGrad(Tensor ids, Tensor dx, int from, int to, Tensor flat) {
    flat.data().fill((byte) 0);
    overRuns(
        ids,
        decoder.config().vocabularySize(),
        from,
        to,
        (row, count, virtual) -> {
          if (virtual >= 0) {
            addGradient(virtual, dx.rows(row, count), flat);
          }
        });
  }

  private void addGradient(int first, Tensor dx, Tensor flat) {
    decoder
        .kernels()
        .embedding()
        .exampleGrad(ids(first, dx.rows()), null, dx, 0, dx.rows(), 1, embeddings(flat), null);
  }

  private Tensor ids(int first, long count) {
    return ids.part(first, count);
  }

  /** Takes rows [from, to) apart into runs, in order. */
  static void overRuns(Tensor ids, int vocabulary, int from, int to, Run run) {
    for (int row = from; row < to; ) {
      int virtual = Math.max(-1, (int) ids.get(row) - vocabulary);
      int end = row + 1;
      while (end < to
          && (virtual < 0
              ? (int) ids.get(end) < vocabulary
              : (int) ids.get(end) == vocabulary + virtual + end - row)) {
        end++;
      }
      run.at(row, end - row, virtual);
      row = end;
    }
  }
}
