package palimpsest.engine.generate;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;

/**
 * Log-probabilities of given texts under a decoder. A context is read once; texts that begin alike
 * read their common tokens once; only tokens that are predicted go through the output layer. A
 * figure depends on its context, its text and the weights only, not on the workers or the other
 * texts.
 *
 * <p>Not for use by several threads at once.
 */
public final class Scorer implements AutoCloseable {
  private final TunedDecoder model;
  private final Workers workers;
  private final List<ScoreWorker> parts;

  /**
   * @param model must not change during a call
   * @param workers how many threads
   */
  public Scorer(TunedDecoder model, int workers) {
    if (workers < 1) {
      throw new IllegalArgumentException("at least one worker is needed, not " + workers);
    }
    this.model = model;
    this.workers = new Workers(workers, "palimpsest-score");
    parts = IntStream.range(0, workers).mapToObj(i -> new ScoreWorker(model)).toList();
  }

  /**
   * Log-probability (natural) of each continuation after one context.
   *
   * @param context one token or more
   * @param continuations all tokens count, so append the end token where the end is meant; one
   *     without tokens has 0
   */
  public double[] score(int[] context, List<int[]> continuations) {
    Decoder decoder = model.decoder();
    int longest = continuations.stream().mapToInt(c -> c.length).max().orElse(0);
    int read = model.behindPrompt(context).length;
    if (longest > 0 && read + longest - 1 > decoder.maxPositions()) {
      throw new IllegalArgumentException(
          "a context of "
              + read
              + " tokens and a continuation of "
              + longest
              + " do not fit in "
              + decoder.maxPositions()
              + " positions");
    }
    continuations.forEach(c -> Tokens.check(decoder.config(), "a continuation", c));
    double[] scores = new double[continuations.size()];
    try (TensorArena arena = new TensorArena()) {
      Prefixes prefix = new Prefixes(model, new int[][] {context}, workers, arena);
      int length = read + longest;
      int slots = ScoreWorker.slots(decoder, length);
      int rows = Math.max(ScoreWorker.ROWS, longest);
      List<ContinuationTree> trees =
          ContinuationTree.grow(continuations, prefix.last(0), rows, slots);
      AtomicInteger next = new AtomicInteger();
      workers.run((worker, stopped) -> {
        ScoreWorker part = parts.get(worker);
        part.prepare(length, rows, slots);
        part.begin(prefix);
        for (int i = next.getAndIncrement();
            i < trees.size() && !stopped.getAsBoolean();
            i = next.getAndIncrement()) {
          part.score(trees.get(i), scores);
        }
      });
    }
    return scores;
  }

  /**
   * Log-probability of each text after each prefix: element [text][prefix]. A model that judges its
   * own texts compares the prefixes of all labels.
   *
   * @param texts all tokens count, so append the end token where the text ended by one
   * @param prefixes each with one token or more
   */
  public double[][] score(List<int[]> texts, int[][] prefixes) {
    double[][] scores = new double[texts.size()][prefixes.length];
    for (int p = 0; p < prefixes.length; p++) {
      double[] column = score(prefixes[p], texts);
      for (int t = 0; t < column.length; t++) {
        scores[t][p] = column[t];
      }
    }
    return scores;
  }

  @Override
  public void close() {
    workers.close();
    parts.forEach(ScoreWorker::close);
  }
}
