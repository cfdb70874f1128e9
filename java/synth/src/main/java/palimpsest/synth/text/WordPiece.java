package palimpsest.synth.text;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import palimpsest.engine.model.EncoderFolder;

/**
 * BERT's uncased tokenizer (Devlin et al. 2019, section 3; word pieces of Wu et al. 2016, greedy
 * longest match first), read from a Hugging Face tokenizer.json or from a vocab.txt: {@code [CLS]},
 * the pieces of the text, {@code [SEP]}.
 *
 * <p>Text is cleaned (control characters dropped, every white space a blank), Chinese characters
 * stand alone, accents are stripped after canonical decomposition, letters are lower-cased one by
 * one, and words end at white space and at each sign of punctuation.
 *
 * <p>Immutable, safe for many threads, and without a cache: nothing of a private text stays in it.
 * Encoding is total, and no text can spell a control token, since their brackets are punctuation.
 * Time is O(n) in the text's length, whatever the text.
 */
public final class WordPiece {
  private static final String UNKNOWN = "[UNK]";
  private static final String BEGIN = "[CLS]";
  private static final String END = "[SEP]";

  /** What a piece inside a word begins with in the vocabulary. */
  static final String CONTINUES = "##";

  /** A word of more characters is unknown as a whole. */
  static final int MAX_WORD_CHARACTERS = 100;

  private static final int MAX_LIST_BYTES = 16 << 20;

  private final Map<String, Integer> starts;
  private final Map<String, Integer> inside = new HashMap<>();
  private final int size;
  private final int longest;
  private final int unknown;
  private final int begin;
  private final int end;

  private WordPiece(Map<String, Integer> vocabulary, String name) {
    starts = Map.copyOf(vocabulary);
    int most = 0;
    int last = -1;
    for (Map.Entry<String, Integer> token : vocabulary.entrySet()) {
      most = Math.max(most, token.getKey().length());
      last = Math.max(last, token.getValue());
      if (token.getKey().startsWith(CONTINUES)) {
        inside.put(token.getKey().substring(CONTINUES.length()), token.getValue());
      }
    }
    longest = most;
    size = last + 1;
    unknown = control(vocabulary, UNKNOWN, name);
    begin = control(vocabulary, BEGIN, name);
    end = control(vocabulary, END, name);
  }

  private static int control(Map<String, Integer> vocabulary, String token, String name) {
    Integer id = vocabulary.get(token);
    if (id == null) {
      throw new InputException(
          name + ": the vocabulary has no " + token + "; give that of an uncased BERT model");
    }
    return id;
  }

  /**
   * That of an encoder, from its folder.
   *
   * @throws InputException if the folder has none, or one of another model
   */
  public static WordPiece of(EncoderFolder folder) {
    WordPiece pieces =
        read(
            folder
                .tokenizer()
                .orElseThrow(
                    () -> new InputException(folder.path() + ": there is no tokenizer.json")));
    int rows = folder.config().vocabularySize();
    if (pieces.vocabularySize() > rows) {
      throw new InputException(
          folder.path()
              + ": tokenizer.json has "
              + pieces.vocabularySize()
              + " tokens, the model only "
              + rows
              + "; they do not belong together");
    }
    return pieces;
  }

  /**
   * Reads a tokenizer.json, or a vocab.txt if its name says so; plain or compressed (.gz).
   *
   * @throws InputException if the file is missing, broken, over a limit, or not of BERT's uncased
   *     kind
   */
  public static WordPiece read(Path path) {
    String name = path.toString();
    boolean packed = name.endsWith(".gz");
    boolean list = name.endsWith(packed ? ".txt.gz" : ".txt");
    try (InputStream raw = new BufferedInputStream(Files.newInputStream(path));
        InputStream in = packed ? new GZIPInputStream(raw) : raw) {
      return list ? readList(in, name) : readJson(in, name);
    } catch (IOException e) {
      throw InputException.unreadable(name, e);
    }
  }

  /**
   * Reads a tokenizer.json from a stream, which stays open. What it says of truncation and padding
   * is not read: that concerns batches.
   *
   * @param name what messages call it
   * @throws InputException as {@link #read}
   */
  public static WordPiece readJson(InputStream in, String name) {
    return new WordPiece(TokenizerJson.readWordPieces(in, name).vocabulary(), name);
  }

  /**
   * Reads a vocab.txt from a stream, which stays open: a token a line, its id the line's number
   * from 0.
   *
   * @param name what messages call it
   * @throws InputException as {@link #read}
   */
  public static WordPiece readList(InputStream in, String name) {
    byte[] bytes;
    try {
      bytes = in.readNBytes(MAX_LIST_BYTES + 1);
    } catch (IOException e) {
      throw InputException.unreadable(name, e);
    }
    if (bytes.length > MAX_LIST_BYTES) {
      throw new InputException(
          name + ": over " + MAX_LIST_BYTES + " bytes; it is no list of word pieces");
    }
    String text = Utf8.decode(bytes);
    Map<String, Integer> vocabulary = new HashMap<>();
    for (int at = 0; at < text.length(); ) {
      int stop = text.indexOf('\n', at);
      stop = stop < 0 ? text.length() : stop;
      boolean carriage = stop > at && text.charAt(stop - 1) == '\r';
      put(vocabulary, text.substring(at, carriage ? stop - 1 : stop), name);
      at = stop + 1;
    }
    return new WordPiece(vocabulary, name);
  }

  private static void put(Map<String, Integer> vocabulary, String token, String name) {
    int id = vocabulary.size();
    if (id == MergeTable.MAX_IDS || token.length() > TokenizerJson.MAX_TOKEN_CHARACTERS) {
      throw new InputException(
          name
              + ": over "
              + MergeTable.MAX_IDS
              + " tokens, or one of over "
              + TokenizerJson.MAX_TOKEN_CHARACTERS
              + " characters; it is no list of word pieces");
    }
    if (vocabulary.putIfAbsent(token, id) != null) {
      throw new InputException(
          name + ": line " + (id + 1) + " repeats an earlier token; get the file again");
    }
  }

  /** Ids of a text, in the brackets of {@code [CLS]} and {@code [SEP]}. */
  public int[] encode(String text) {
    return encode(text, Integer.MAX_VALUE);
  }

  /** Ids of UTF-8 bytes; what is broken vanishes. */
  public int[] encode(byte[] utf8, int most) {
    return encode(Utf8.decode(utf8), most);
  }

  /**
   * The same for the beginning of the text.
   *
   * @param most how many ids there may be, both brackets included: 2 or more
   */
  public int[] encode(String text, int most) {
    if (most < 2) {
      throw new IllegalArgumentException("a text has 2 tokens at least, not " + most);
    }
    String plain = plain(text);
    IntList ids = new IntList(plain.length() / 3 + 2);
    ids.add(begin);
    int at = 0;
    while (at < plain.length() && ids.size() < most - 1) {
      int stop = wordEnd(plain, at);
      if (!PreTokenizer.isWhiteSpace(plain.codePointAt(at))) {
        addWord(plain, at, stop, ids);
      }
      at = stop;
    }
    ids.cut(most - 1);
    ids.add(end);
    return ids.toArray();
  }

  /** The end of what begins at {@code at}: a blank, a sign of punctuation, or else a word. */
  private static int wordEnd(String plain, int at) {
    int stop = at;
    while (stop < plain.length()) {
      int c = plain.codePointAt(stop);
      if (PreTokenizer.isWhiteSpace(c) || isPunctuation(c)) {
        return stop > at ? stop : stop + Character.charCount(c);
      }
      stop += Character.charCount(c);
    }
    return stop;
  }

  /** The longest piece that fits, then the next; one that does not fit makes the word unknown. */
  private void addWord(String plain, int from, int to, IntList ids) {
    int before = ids.size();
    int at = plain.codePointCount(from, to) > MAX_WORD_CHARACTERS ? -1 : from;
    while (at >= 0 && at < to) {
      at = addPiece(plain, at, to, at == from ? starts : inside, ids);
    }
    if (at < 0) {
      ids.cut(before);
      ids.add(unknown);
    }
  }

  /** Returns where the piece ends, or -1 if none fits. */
  private int addPiece(String plain, int from, int to, Map<String, Integer> pieces, IntList ids) {
    for (int stop = Math.min(to, from + longest); stop > from; stop--) {
      Integer id = pieces.get(plain.substring(from, stop));
      if (id != null) {
        ids.add(id);
        return stop;
      }
    }
    return -1;
  }

  /** The text as words are looked for in it. */
  static String plain(String text) {
    StringBuilder clean = new StringBuilder(text.length() + 16);
    text.codePoints()
        .forEach(c -> {
          if (PreTokenizer.isWhiteSpace(c) && !isControl(c)) {
            clean.append(' ');
          } else if (isChinese(c)) {
            clean.append(' ').appendCodePoint(c).append(' ');
          } else if (c != 0xFFFD && !isControl(c)) {
            clean.appendCodePoint(c);
          }
        });
    StringBuilder plain = new StringBuilder(clean.length());
    Normalizer.normalize(clean, Normalizer.Form.NFD)
        .codePoints()
        .filter(c -> Character.getType(c) != Character.NON_SPACING_MARK)
        .forEach(c -> plain.appendCodePoint(Character.toLowerCase(c)));
    return plain.toString();
  }

  /** Categories Cc, Cf, Cn, Co and Cs, but for what BERT takes for white space. */
  private static boolean isControl(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL -> c != '\t' && c != '\n' && c != '\r';
      case Character.FORMAT, Character.UNASSIGNED, Character.PRIVATE_USE, Character.SURROGATE ->
          true;
      default -> false;
    };
  }

  /** The blocks of CJK ideographs; not Hangul, Hiragana or Katakana. */
  private static boolean isChinese(int c) {
    return c >= 0x4E00 && c <= 0x9FFF
        || c >= 0x3400 && c <= 0x4DBF
        || c >= 0x20000 && c <= 0x2A6DF
        || c >= 0x2A700 && c <= 0x2B73F
        || c >= 0x2B740 && c <= 0x2B81F
        || c >= 0x2B820 && c <= 0x2CEAF
        || c >= 0xF900 && c <= 0xFAFF
        || c >= 0x2F800 && c <= 0x2FA1F;
  }

  /** Category P, and all of ASCII that is neither letter, digit nor blank. */
  private static boolean isPunctuation(int c) {
    if (c < 0x80) {
      return c > ' ' && c < 0x7F && !Character.isLetterOrDigit(c);
    }
    return switch (Character.getType(c)) {
      case Character.CONNECTOR_PUNCTUATION,
          Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION,
          Character.OTHER_PUNCTUATION ->
          true;
      default -> false;
    };
  }

  /** Largest id plus one. */
  public int vocabularySize() {
    return size;
  }
}
