package palimpsest.synth.text;

import java.util.List;

/**
 * A learned byte-level vocabulary, as {@link TokenizerWriter} writes it.
 *
 * @param settings what was asked for
 * @param tokens by id: the special tokens, then the 256 bytes, then what merges make, in the order
 *     of learning; all but the special ones in the alphabet of GPT-2, a character a byte
 * @param merges in the order of learning; merge k makes the token that its two parts spell, the
 *     k-th after the bytes
 */
public record TrainedVocabulary(
    TokenizerSettings settings, List<String> tokens, List<Merge> merges) {

  /** Two tokens, in the alphabet of GPT-2, that become one where they are neighbours. */
  public record Merge(String left, String right) {}

  public TrainedVocabulary {
    tokens = List.copyOf(tokens);
    merges = List.copyOf(merges);
  }
}
