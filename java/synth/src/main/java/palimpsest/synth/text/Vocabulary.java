package palimpsest.synth.text;

import java.security.SecureRandom;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Tokens by id and by their bytes. The bytes of all tokens lie in one array.
 *
 * <p>A word whose merges are known to end in one token is looked up whole: an exact shortcut, since
 * {@link #findWholeWords} asks the merges themselves, and most words of a text take it.
 */
final class Vocabulary {
  private static final byte[] EMPTY = {};
  private static final long MULTIPLIER = new SecureRandom().nextLong() | 1;

  private final TokenizerJson file;
  private final byte[][] tokens;
  private final boolean[] special;
  private final Map<String, Integer> specials = new LinkedHashMap<>();
  private final int[] byteToken = new int[256];
  private final int longest;
  private int[] wholeWords = {-1};
  private int shift = 63;

  Vocabulary(TokenizerJson file) {
    this.file = file;
    int size = 0;
    for (int id : file.vocabulary().values()) {
      size = Math.max(size, id + 1);
    }
    for (AddedToken token : file.added()) {
      size = Math.max(size, token.id() + 1);
    }
    tokens = new byte[size][];
    special = new boolean[size];
    file.vocabulary().forEach(this::place);
    file.added().forEach(this::place);
    int most = 0;
    for (int id = 0; id < size; id++) {
      tokens[id] = tokens[id] == null ? EMPTY : tokens[id];
      most = Math.max(most, tokens[id].length);
    }
    longest = most;
    Arrays.fill(byteToken, -1);
    for (int b = 0; b < 256; b++) {
      Integer id = file.vocabulary().get(String.valueOf(ByteAlphabet.character(b)));
      byteToken[b] = id == null || special[id] ? -1 : id;
    }
  }

  private void place(String token, int id) {
    if (tokens[id] != null) {
      throw file.refuse("model.vocab gives id " + id + " to two tokens", "get the file again");
    }
    byte[] bytes = ByteAlphabet.bytes(token);
    tokens[id] = bytes == null ? Utf8.encode(token) : bytes;
  }

  private void place(AddedToken token) {
    Integer known = file.vocabulary().get(token.content());
    if (known != null ? known != token.id() : tokens[token.id()] != null) {
      throw file.refuse("added token " + token.id() + " has another token's id", "get it again");
    }
    tokens[token.id()] = Utf8.encode(token.content());
    if (token.special()) {
      special[token.id()] = true;
      specials.put(token.content(), token.id());
    }
  }

  /**
   * Id of a token that merges may take or make: never a control token, which a record could then
   * spell.
   */
  int mergeable(String token, int rank) {
    Integer id = file.vocabulary().get(token);
    if (id == null || special[id] || ByteAlphabet.bytes(token) == null) {
      throw file.refuse(
          "merge " + rank + " has a token that is not in model.vocab or is a control token",
          "get the file again");
    }
    return id;
  }

  /** Writes the tokens of the bytes [from, to) and returns how many; bytes without one vanish. */
  int byteTokens(byte[] text, int from, int to, int[] out) {
    int count = 0;
    for (int i = from; i < to; i++) {
      int token = byteToken[text[i] & 0xFF];
      if (token >= 0) {
        out[count++] = token;
      }
    }
    return count;
  }

  /** Lists the tokens that their own bytes merge to, or all of them if the model says so. */
  void findWholeWords(MergeTable merges, boolean all) {
    int bits = Math.max(4, 33 - Integer.numberOfLeadingZeros(tokens.length));
    shift = 64 - bits;
    wholeWords = new int[1 << bits];
    Arrays.fill(wholeWords, -1);
    int[] symbols = new int[longest];
    for (int id : file.vocabulary().values()) {
      byte[] token = tokens[id];
      if (!special[id] && token.length > 0) {
        int count = byteTokens(token, 0, token.length, symbols);
        if (all || merges.merge(symbols, count) == 1 && symbols[0] == id) {
          putWholeWord(id);
        }
      }
    }
  }

  private void putWholeWord(int id) {
    byte[] token = tokens[id];
    int slot = slot(token, 0, token.length);
    while (wholeWords[slot] >= 0) {
      slot = slot + 1 & wholeWords.length - 1;
    }
    wholeWords[slot] = id;
  }

  /** The one token of the word [from, to), or -1 if it must be merged. */
  int wholeWord(byte[] text, int from, int to) {
    if (to - from > longest) {
      return -1;
    }
    int slot = slot(text, from, to);
    while (wholeWords[slot] >= 0) {
      byte[] token = tokens[wholeWords[slot]];
      if (Arrays.equals(token, 0, token.length, text, from, to)) {
        return wholeWords[slot];
      }
      slot = slot + 1 & wholeWords.length - 1;
    }
    return -1;
  }

  private int slot(byte[] text, int from, int to) {
    long hash = to - from;
    for (int i = from; i < to; i++) {
      hash = (hash + text[i]) * MULTIPLIER;
    }
    return (int) (hash >>> shift);
  }

  byte[] bytes(int id) {
    return tokens[id];
  }

  boolean isSpecial(int id) {
    return special[id];
  }

  Map<String, Integer> specials() {
    return specials;
  }

  int size() {
    return tokens.length;
  }

  int longest() {
    return longest;
  }
}
