package palimpsest.synth.classify;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.model.WordCnn;
import palimpsest.synth.evaluate.Words;
import palimpsest.synth.text.InputException;

/**
 * The words that a convolutional network knows. The list is public: it is given, or comes from
 * texts that are public or synthetic, and never from private records, since each word in it tells
 * that a record has it.
 */
public final class WordVocabulary {
  private static final int PADDING = 0;
  private static final int UNKNOWN = 1;
  private static final int FIRST = 2;
  private static final int MOST = 1 << 19;
  private static final String WIKIPEDIA = "words.txt";

  private final Map<String, Integer> ids = new HashMap<>();

  private WordVocabulary(List<String> words) {
    if (words.size() > MOST) {
      throw new InputException("a vocabulary has at most " + MOST + " words; give fewer");
    }
    for (String word : words) {
      if (ids.put(word, FIRST + ids.size()) != null) {
        throw new InputException("a vocabulary names a word twice; name each once");
      }
    }
  }

  /** The most frequent words of an English Wikipedia, which comes with the project. */
  public static WordVocabulary ofWikipedia() {
    try (InputStream in = WordVocabulary.class.getResourceAsStream(WIKIPEDIA)) {
      return of(new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A given list of words, as {@link Words} finds them: in lower case. */
  public static WordVocabulary of(List<String> words) {
    return new WordVocabulary(words);
  }

  /**
   * The most frequent words of texts, of equals the first in the alphabet.
   *
   * @param texts public or synthetic
   * @param most how many words there may be
   */
  public static WordVocabulary ofPublicTexts(List<String> texts, int most) {
    Map<String, Integer> counts = new HashMap<>();
    texts.forEach(text -> Words.of(text).forEach(word -> counts.merge(word, 1, Integer::sum)));
    List<String> words = new ArrayList<>(counts.keySet());
    words.sort(
        Comparator.comparing((String word) -> -counts.get(word)).thenComparing(word -> word));
    return new WordVocabulary(words.subList(0, Math.min(most, words.size())));
  }

  /** How many ids there are: a word each, one for all others, and one for no word. */
  public int size() {
    return FIRST + ids.size();
  }

  /**
   * Ids of a text's words; a text that is too short for the widest filter is filled up.
   *
   * @param most how many of its words are read
   */
  int[] encode(String text, int most) {
    List<String> words = Words.of(text);
    int count = Math.min(most, words.size());
    int[] encoded = new int[Math.max(WordCnn.LEAST_WORDS, count)];
    for (int i = 0; i < encoded.length; i++) {
      encoded[i] = i < count ? ids.getOrDefault(words.get(i), UNKNOWN) : PADDING;
    }
    return encoded;
  }

  /** How many, not which. */
  @Override
  public String toString() {
    return "WordVocabulary[" + ids.size() + "]";
  }
}
