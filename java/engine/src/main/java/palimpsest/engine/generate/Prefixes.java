package palimpsest.engine.generate;

import java.util.Arrays;
import java.util.function.BooleanSupplier;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.KeyValueCache;
import palimpsest.engine.model.StreamGroup;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;

/**
 * Texts that many streams begin with, behind the virtual tokens of a soft prompt if there is one,
 * read once. The last token of each is left out: a stream reads it as its own first, and so gets
 * the logits of what follows.
 */
final class Prefixes {
  private final int[][] tokens;
  private final KeyValueCache cache;

  /**
   * @param tokens each with one token or more
   * @param arena holds keys and values
   */
  Prefixes(TunedDecoder model, int[][] tokens, Workers workers, TensorArena arena) {
    this.tokens = Arrays.stream(tokens).map(model::behindPrompt).toArray(int[][]::new);
    Decoder decoder = model.decoder();
    for (int i = 0; i < tokens.length; i++) {
      check(decoder, "prefix " + i, tokens[i], length(i) + 1);
    }
    int longest = Math.max(1, longest() - 1);
    cache =
        new KeyValueCache(
            decoder.config(), Math.max(1, tokens.length), longest, decoder.kernels(), arena);
    workers.run((worker, stopped) -> read(model, worker, workers.count(), stopped));
  }

  private static void check(Decoder decoder, String name, int[] tokens, int positions) {
    if (tokens.length == 0) {
      throw new IllegalArgumentException(
          name + " has no token; begin with the model's begin or end token");
    }
    if (positions > decoder.maxPositions()) {
      throw new IllegalArgumentException(
          name + " takes " + positions + " positions, more than " + decoder.maxPositions());
    }
    Tokens.check(decoder.config(), name, tokens);
  }

  /** Reads every {@code step}-th prefix. */
  private void read(TunedDecoder model, int first, int step, BooleanSupplier stop) {
    if (first >= tokens.length) {
      return;
    }
    int rows = cache.length();
    Decoder decoder = model.decoder();
    try (TensorArena arena = new TensorArena()) {
      Activations activations =
          new Activations(
              decoder.config(),
              decoder.kernels(),
              rows,
              1,
              model.rank(),
              Activations.Purpose.FORWARD,
              arena);
      StreamGroup group = new StreamGroup(cache, rows, 1, arena);
      for (int i = first; i < tokens.length && !stop.getAsBoolean(); i += step) {
        if (length(i) > 0) {
          group.clear();
          group.add(i, 0, tokens[i], 0, length(i));
          decoder.decode(group, model.tuned(), activations);
        }
      }
    }
  }

  int count() {
    return tokens.length;
  }

  /** Tokens of the longest prefix, virtual ones included. */
  int longest() {
    return Arrays.stream(tokens).mapToInt(t -> t.length).max().orElse(0);
  }

  /** Tokens that are kept, virtual ones included: all but the last. */
  int length(int prefix) {
    return tokens[prefix].length - 1;
  }

  /** The last token, which a stream reads itself. */
  int last(int prefix) {
    return tokens[prefix][length(prefix)];
  }

  /** Puts a prefix at the start of a slot. */
  void load(int prefix, KeyValueCache streams, int slot) {
    streams.copy(cache, prefix, slot, length(prefix));
  }
}
