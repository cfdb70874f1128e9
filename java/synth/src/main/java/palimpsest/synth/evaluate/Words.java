package palimpsest.synth.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The words of a text, lower-cased: runs of letters, marks and digits, held together by single
 * apostrophes inside, and each other sign by itself. Total on any text, in time linear in its
 * length.
 */
public final class Words {
  private static final char TYPOGRAPHIC_APOSTROPHE = '\u2019';

  private Words() {}

  /** In the order of the text. */
  public static List<String> of(String text) {
    String lower = text.toLowerCase(Locale.ROOT);
    List<String> words = new ArrayList<>();
    int at = 0;
    while (at < lower.length()) {
      int c = lower.codePointAt(at);
      int end = isPartOfWord(c) ? wordEnd(lower, at) : at + Character.charCount(c);
      if (!isBlank(c)) {
        words.add(lower.substring(at, end));
      }
      at = end;
    }
    return words;
  }

  /** The words of letters and digits alone. */
  public static List<String> withoutSigns(String text) {
    return of(text).stream()
        .filter(word -> Character.isLetterOrDigit(word.codePointAt(0)))
        .toList();
  }

  private static int wordEnd(String text, int from) {
    int at = from;
    while (at < text.length()) {
      int c = text.codePointAt(at);
      boolean joins =
          (c == '\'' || c == TYPOGRAPHIC_APOSTROPHE)
              && at + 1 < text.length()
              && isPartOfWord(text.codePointAt(at + 1));
      if (!joins && !isPartOfWord(c)) {
        return at;
      }
      at += Character.charCount(c);
    }
    return at;
  }

  /** Categories L, M and N. */
  private static boolean isPartOfWord(int c) {
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.COMBINING_SPACING_MARK,
          Character.DECIMAL_DIGIT_NUMBER,
          Character.LETTER_NUMBER,
          Character.OTHER_NUMBER ->
          true;
      default -> Character.isLetter(c);
    };
  }

  private static boolean isBlank(int c) {
    return c == ' ' || c >= '\t' && c <= '\r';
  }

  /** The runs of n neighbouring words, each as one string; empty if the text is shorter. */
  static List<String> grams(List<String> words, int n) {
    List<String> grams = new ArrayList<>();
    for (int i = 0; i + n <= words.size(); i++) {
      grams.add(String.join(" ", words.subList(i, i + n)));
    }
    return grams;
  }
}
