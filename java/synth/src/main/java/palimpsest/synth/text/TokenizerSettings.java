package palimpsest.synth.text;

import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * What tokenizer is to be learned. All of it is public.
 *
 * @param vocabularySize tokens in all: special tokens, the 256 bytes and what merges make; fewer
 *     are learned where the text has no more pairs
 * @param minimumFrequency how often a pair of tokens must occur to become one token, 1 or more
 * @param individualDigits every number character is a word of its own, as in SmolLM2; otherwise
 *     words are split as in GPT-2 alone
 * @param specialTokens control tokens, which get the first ids in this order; they are cut out of
 *     the texts, so that no other token holds a piece of them
 */
public record TokenizerSettings(
    int vocabularySize,
    long minimumFrequency,
    boolean individualDigits,
    List<String> specialTokens) {
  private static final int BYTES = 256;

  public TokenizerSettings {
    specialTokens = List.copyOf(specialTokens);
    if (specialTokens.size() > TokenizerJson.MAX_ADDED) {
      throw new InputException(
          "special tokens: "
              + specialTokens.size()
              + " is over "
              + TokenizerJson.MAX_ADDED
              + "; give fewer");
    }
    int least = BYTES + specialTokens.size();
    if (vocabularySize < least || vocabularySize > MergeTable.MAX_IDS) {
      throw new InputException(
          "vocabulary size: "
              + vocabularySize
              + " is outside "
              + least
              + ".."
              + MergeTable.MAX_IDS
              + "; it must hold 256 bytes and the special tokens");
    }
    if (minimumFrequency < 1) {
      throw new InputException(
          "minimum frequency: " + minimumFrequency + " is below 1; 1 keeps every pair");
    }
    checkSpecialTokens(specialTokens);
  }

  /**
   * GPT-2 splitting, pairs that occur twice or more, and {@code <|endoftext|>} as the one special
   * token.
   *
   * @throws InputException if the size is below 257 or over 2^20
   */
  public static TokenizerSettings of(int vocabularySize) {
    return new TokenizerSettings(vocabularySize, 2, false, List.of("<|endoftext|>"));
  }

  public TokenizerSettings withMinimumFrequency(long frequency) {
    return new TokenizerSettings(vocabularySize, frequency, individualDigits, specialTokens);
  }

  public TokenizerSettings withIndividualDigits(boolean individual) {
    return new TokenizerSettings(vocabularySize, minimumFrequency, individual, specialTokens);
  }

  public TokenizerSettings withSpecialTokens(List<String> tokens) {
    return new TokenizerSettings(vocabularySize, minimumFrequency, individualDigits, tokens);
  }

  private static void checkSpecialTokens(List<String> tokens) {
    for (int i = 0; i < tokens.size(); i++) {
      String problem = problem(tokens.get(i));
      if (problem != null) {
        throw new InputException("special token " + (i + 1) + ": it " + problem + "; change it");
      }
    }
    if (Set.copyOf(tokens).size() < tokens.size()) {
      throw new InputException("special tokens: one stands there twice; give each once");
    }
  }

  /** What is wrong with a special token, or null. */
  private static String problem(String token) {
    if (token.isEmpty()) {
      return "is empty";
    }
    if (token.length() > TokenizerJson.MAX_TOKEN_CHARACTERS) {
      return "has over " + TokenizerJson.MAX_TOKEN_CHARACTERS + " characters";
    }
    if (!Utf8.decode(Utf8.encode(token)).equals(token)) {
      return "is not valid Unicode";
    }
    return spellsOtherBytes(token) ? "is written as an ordinary token could be" : null;
  }

  /**
   * Whether an ordinary token could be written in a file as this one is: a single byte, or bytes
   * other than its own. Longer tokens with these very bytes never arise, since the bytes are cut
   * out of the texts.
   */
  private static boolean spellsOtherBytes(String token) {
    byte[] spelled = ByteAlphabet.bytes(token);
    return spelled != null && (spelled.length == 1 || !Arrays.equals(spelled, Utf8.encode(token)));
  }

  PreTokenizer preTokenizer() {
    return new PreTokenizer(individualDigits, PreTokenizer.Pattern.GPT2);
  }
}
