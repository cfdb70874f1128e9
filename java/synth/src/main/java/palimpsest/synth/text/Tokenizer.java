package palimpsest.synth.text;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.zip.GZIPInputStream;

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016, "Neural Machine Translation of Rare Words
 * with Subword Units"; bytes as in GPT-2, Radford et al. 2019), read from a Hugging Face
 * tokenizer.json.
 *
 * <p>Immutable, safe for many threads, and without a cache: nothing of a private text stays in it.
 * Encoding is total: any bytes have ids, broken UTF-8 counts as U+FFFD, and a byte that has no
 * token vanishes. Time is O(n log n) in the text's length, whatever the text.
 */
public final class Tokenizer {
  /** What text that spells a control token, such as {@code <|endoftext|>}, becomes. */
  public enum SpecialTokens {
    /** Ordinary ids, so that a record cannot end its own turn: for everything private. */
    AS_TEXT,
    /** The control token: for prompts, which are public. */
    AS_TOKENS
  }

  /** Control tokens that end a turn or a document, the most specific first. */
  private static final List<String> END_TOKENS =
      List.of(
          "<|im_end|>",
          "<|eot_id|>",
          "<|end|>",
          "<|endofturn|>",
          "<end_of_turn>",
          "<|end_of_text|>",
          "<|endoftext|>",
          "</s>",
          "<eos>");

  private final PreTokenizer preTokenizer;
  private final MergeTable merges;
  private final Vocabulary vocabulary;
  private final AddedTokens plain;
  private final AddedTokens all;

  private Tokenizer(TokenizerJson file) {
    preTokenizer = file.preTokenizer();
    vocabulary = new Vocabulary(file);
    merges = mergeTable(file, vocabulary);
    vocabulary.findWholeWords(merges, file.ignoreMerges());
    all = new AddedTokens(file.added());
    plain = new AddedTokens(file.added().stream().filter(token -> !token.special()).toList());
  }

  /**
   * Reads a tokenizer.json, plain or compressed (.gz).
   *
   * @throws InputException if the file is missing, broken, over a limit, or not byte-level BPE with
   *     a known way of splitting words
   */
  public static Tokenizer read(Path path) {
    String name = path.toString();
    try (InputStream in = new BufferedInputStream(Files.newInputStream(path))) {
      return name.endsWith(".gz") ? read(new GZIPInputStream(in), name) : read(in, name);
    } catch (IOException e) {
      throw InputException.unreadable(name, e);
    }
  }

  /**
   * Reads a tokenizer.json from a stream, which stays open.
   *
   * @param name what messages call it
   * @throws InputException as {@link #read(Path)}
   */
  public static Tokenizer read(InputStream in, String name) {
    return new Tokenizer(TokenizerJson.read(in, name));
  }

  private static MergeTable mergeTable(TokenizerJson file, Vocabulary vocabulary) {
    int count = file.mergeLefts().size();
    int[] left = new int[count];
    int[] right = new int[count];
    int[] merged = new int[count];
    for (int rank = 0; rank < count; rank++) {
      String a = file.mergeLefts().get(rank);
      String b = file.mergeRights().get(rank);
      left[rank] = vocabulary.mergeable(a, rank);
      right[rank] = vocabulary.mergeable(b, rank);
      merged[rank] = vocabulary.mergeable(a + b, rank);
    }
    return new MergeTable(left, right, merged);
  }

  /** Ids of a text with control tokens as text: for private records. */
  public int[] encode(String text) {
    return encode(text, SpecialTokens.AS_TEXT);
  }

  public int[] encode(String text, SpecialTokens special) {
    return encodeValid(Utf8.encode(text), special);
  }

  /** Ids of UTF-8 bytes with control tokens as text: for private records. */
  public int[] encode(byte[] utf8) {
    return encode(utf8, SpecialTokens.AS_TEXT);
  }

  public int[] encode(byte[] utf8, SpecialTokens special) {
    return encodeValid(Utf8.repair(utf8), special);
  }

  private int[] encodeValid(byte[] text, SpecialTokens special) {
    AddedTokens added = special == SpecialTokens.AS_TOKENS ? all : plain;
    Encoding encoding = new Encoding(text);
    int at = 0;
    while (at < text.length) {
      int next = added.next(text, at);
      preTokenizer.split(text, at, next, encoding);
      at = next;
      if (at < text.length) {
        long match = added.match(text, at);
        encoding.ids.add((int) (match >>> 32));
        at += (int) match;
      }
    }
    return encoding.ids.toArray();
  }

  /** The ids of one text in the making. */
  private final class Encoding implements PreTokenizer.Sink {
    private final byte[] text;
    private final IntList ids;
    private int[] symbols = new int[64];

    Encoding(byte[] text) {
      this.text = text;
      ids = new IntList(text.length / 3);
    }

    @Override
    public void word(int from, int to) {
      int whole = vocabulary.wholeWord(text, from, to);
      if (whole >= 0) {
        ids.add(whole);
        return;
      }
      if (to - from > symbols.length) {
        symbols = new int[to - from];
      }
      int count = vocabulary.byteTokens(text, from, to, symbols);
      count = merges.merge(symbols, count);
      for (int i = 0; i < count; i++) {
        ids.add(symbols[i]);
      }
    }
  }

  /**
   * Bytes that ids stand for, control tokens as their names; the exact inverse of encoding where
   * every byte has a token.
   *
   * @throws IllegalArgumentException if an id is outside 0..{@link #vocabularySize()}-1
   */
  public byte[] decode(int[] ids) {
    return decode(ids, true);
  }

  /** The text of ids without control tokens; what is not UTF-8 becomes U+FFFD. */
  public String decodeText(int[] ids) {
    return Utf8.decode(decode(ids, false));
  }

  private byte[] decode(int[] ids, boolean withSpecial) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(4 * ids.length);
    for (int id : ids) {
      if (withSpecial || !vocabulary.isSpecial(checked(id))) {
        byte[] token = vocabulary.bytes(checked(id));
        out.write(token, 0, token.length);
      }
    }
    return out.toByteArray();
  }

  /** A copy of a token's bytes; empty for an id that the file leaves out. */
  public byte[] tokenBytes(int id) {
    return vocabulary.bytes(checked(id)).clone();
  }

  private int checked(int id) {
    if (id < 0 || id >= vocabularySize()) {
      throw new IllegalArgumentException(
          "token id " + id + " is outside 0.." + (vocabularySize() - 1));
    }
    return id;
  }

  /** Largest id plus one, added tokens included. */
  public int vocabularySize() {
    return vocabulary.size();
  }

  /** Bytes of the longest token. */
  public int longestToken() {
    return vocabulary.longest();
  }

  /** Whether the id is a control token. */
  public boolean isSpecial(int id) {
    return vocabulary.isSpecial(checked(id));
  }

  /** Whether a text spells a control token somewhere. */
  public boolean spellsSpecial(String text) {
    int[] ids = encode(text, SpecialTokens.AS_TOKENS);
    return Arrays.stream(ids).anyMatch(vocabulary::isSpecial);
  }

  /** Id of a control token by its name, such as {@code <|im_end|>}. */
  public OptionalInt specialId(String content) {
    Integer id = vocabulary.specials().get(content);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** Names of the control tokens. */
  public List<String> specialTokens() {
    return List.copyOf(vocabulary.specials().keySet());
  }

  /**
   * Control tokens that can end a record, the likeliest first. The model's own configuration
   * (eos_token_id) goes before this list where there is one.
   */
  public List<Integer> endTokenCandidates() {
    List<Integer> candidates = new ArrayList<>();
    for (String content : END_TOKENS) {
      Integer id = vocabulary.specials().get(content);
      if (id != null) {
        candidates.add(id);
      }
    }
    return candidates;
  }
}
