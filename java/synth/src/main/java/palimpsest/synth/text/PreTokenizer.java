package palimpsest.synth.text;

/**
 * Splits text into the words that byte-pair merges stay inside. A tokenizer file names its
 * splitting by a regular expression; those known here are scanners over code points, in one pass
 * without backtracking, so no expression from a file is ever run.
 *
 * @param digitsAlone every character of Unicode category N is a piece of its own, and the pieces
 *     between are split each as if it were a whole text
 * @param pattern how a piece is split into words
 */
record PreTokenizer(boolean digitsAlone, Pattern pattern) {
  private static final int OTHER = 0;
  private static final int LETTER = 1;
  private static final int NUMBER = 2;
  private static final int SPACE = 3;

  /** Class of each code point of the basic multilingual plane. */
  private static final byte[] CLASS = new byte[0x10000];

  static {
    for (int c = 0; c < CLASS.length; c++) {
      CLASS[c] = (byte) classify(c);
    }
  }

  /** The known splitting patterns, by the exact text that tokenizer files carry. */
  enum Pattern {
    /** No splitting: a piece is one word. */
    WHOLE(null),
    GPT2("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

    private final String expression;

    Pattern(String expression) {
      this.expression = expression;
    }

    /** The pattern with this expression, or null. */
    static Pattern of(String expression) {
      for (Pattern pattern : values()) {
        if (expression.equals(pattern.expression)) {
          return pattern;
        }
      }
      return null;
    }
  }

  /** Receives words as byte ranges. */
  interface Sink {
    void word(int from, int to);
  }

  /** Splits the range [from, to) of valid UTF-8; the words cover it in order without a gap. */
  void split(byte[] text, int from, int to, Sink sink) {
    if (!digitsAlone) {
      piece(text, from, to, sink);
      return;
    }
    int start = from;
    int i = from;
    while (i < to) {
      int next = i + Utf8.length(text[i]);
      if (classAt(text, i) == NUMBER) {
        piece(text, start, i, sink);
        sink.word(i, next);
        start = next;
      }
      i = next;
    }
    piece(text, start, to, sink);
  }

  private void piece(byte[] text, int from, int to, Sink sink) {
    if (pattern == Pattern.WHOLE) {
      if (from < to) {
        sink.word(from, to);
      }
      return;
    }
    int i = from;
    while (i < to) {
      int end = gpt2WordEnd(text, i, to);
      sink.word(i, end);
      i = end;
    }
  }

  private static int gpt2WordEnd(byte[] text, int i, int to) {
    if (text[i] == '\'') {
      int end = contractionEnd(text, i, to);
      if (end > i) {
        return end;
      }
    }
    int body = text[i] == ' ' && i + 1 < to ? i + 1 : i;
    int kind = classAt(text, body);
    if (kind != SPACE) {
      return runEnd(text, body, to, kind);
    }
    return spaceEnd(text, i, to);
  }

  /** White space up to the text's end, or all but its last character, but never nothing. */
  private static int spaceEnd(byte[] text, int from, int to) {
    int last = from;
    int i = from;
    while (i < to && classAt(text, i) == SPACE) {
      last = i;
      i += Utf8.length(text[i]);
    }
    return i == to || last == from ? i : last;
  }

  private static int runEnd(byte[] text, int from, int to, int kind) {
    int i = from;
    while (i < to && classAt(text, i) == kind) {
      i += Utf8.length(text[i]);
    }
    return i;
  }

  private static int contractionEnd(byte[] text, int i, int to) {
    if (i + 1 >= to) {
      return i;
    }
    byte first = text[i + 1];
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
      return i + 2;
    }
    if (i + 2 >= to) {
      return i;
    }
    byte second = text[i + 2];
    boolean two =
        first == 'r' && second == 'e'
            || first == 'v' && second == 'e'
            || first == 'l' && second == 'l';
    return two ? i + 3 : i;
  }

  private static int classAt(byte[] text, int i) {
    byte first = text[i];
    if (first >= 0) {
      return CLASS[first];
    }
    int c = Utf8.codePoint(text, i);
    return c < CLASS.length ? CLASS[c] : classify(c);
  }

  private static int classify(int c) {
    return switch (Character.getType(c)) {
      case Character.UPPERCASE_LETTER,
          Character.LOWERCASE_LETTER,
          Character.TITLECASE_LETTER,
          Character.MODIFIER_LETTER,
          Character.OTHER_LETTER ->
          LETTER;
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER ->
          NUMBER;
      default -> isWhiteSpace(c) ? SPACE : OTHER;
    };
  }

  /** Unicode property White_Space, which is neither of Java's own two notions. */
  static boolean isWhiteSpace(int c) {
    return c >= 0x09 && c <= 0x0D
        || c == 0x20
        || c == 0x85
        || c == 0xA0
        || c == 0x1680
        || c >= 0x2000 && c <= 0x200A
        || c == 0x2028
        || c == 0x2029
        || c == 0x202F
        || c == 0x205F
        || c == 0x3000;
  }
}
