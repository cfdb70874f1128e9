package palimpsest.engine.generate;

import palimpsest.engine.model.DecoderConfig;

/** Checks of token ids that come from outside. */
final class Tokens {
  private Tokens() {}

  /** Refuses ids that the model does not have; the message names no id. */
  static void check(DecoderConfig config, String name, int[] tokens) {
    for (int token : tokens) {
      if (token < 0 || token >= config.vocabularySize()) {
        throw new IllegalArgumentException(
            name
                + " has a token outside this model's vocabulary of "
                + config.vocabularySize()
                + "; was it made by another tokenizer?");
      }
    }
  }
}
