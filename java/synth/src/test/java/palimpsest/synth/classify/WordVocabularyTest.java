package palimpsest.synth.classify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import palimpsest.synth.text.InputException;

class WordVocabularyTest {
  @Test
  void theMostFrequentWordsHaveIdsInOrder() {
    WordVocabulary words = WordVocabulary.ofPublicTexts(List.of("b a c", "A! b", "b d"), 4);
    // b three times, a twice, then ! c d once each: ! is first in the alphabet, d has no room.
    assertEquals(6, words.size());
    assertArrayEquals(new int[] {2, 3, 4, 5, 1, 1}, words.encode("B a ! c d unknown", 9));
  }

  @Test
  void shortTextsAreFilledUpAndLongOnesCut() {
    WordVocabulary words = WordVocabulary.of(List.of("a", "b"));
    assertArrayEquals(new int[] {0, 0, 0, 0, 0}, words.encode("", 9));
    assertArrayEquals(new int[] {3, 2, 0, 0, 0}, words.encode("b A", 9));
    assertArrayEquals(new int[] {2, 3, 2, 3, 2}, words.encode("a b a b a b a", 5));
  }

  @Test
  void aWordStandsOnceAndIsNotShown() {
    assertThrows(InputException.class, () -> WordVocabulary.of(List.of("a", "b", "a")));
    assertFalse(WordVocabulary.of(List.of("secret")).toString().contains("secret"));
  }
}
