package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class InducedSortingTest {
  private static int[] naive(int[] text) {
    return IntStream.range(0, text.length)
        .boxed()
        .sorted((a, b) -> Arrays.compare(text, a, text.length, text, b, text.length))
        .mapToInt(i -> i)
        .toArray();
  }

  private static int[] letters(String text) {
    return text.chars().toArray();
  }

  /** The suffixes of mississippi, as in Manber and Myers and any textbook since. */
  @Test
  void mississippi() {
    assertArrayEquals(
        new int[] {10, 7, 4, 1, 0, 9, 8, 6, 3, 5, 2},
        InducedSorting.suffixes(letters("mississippi"), 128));
  }

  @Property
  void isTheOrderOfComparison(
      @ForAll @Size(max = 60) int[] any, @ForAll @IntRange(min = 1, max = 4) int alphabet) {
    int[] text = Arrays.stream(any).map(x -> Math.floorMod(x, alphabet)).toArray();
    assertArrayEquals(naive(text), InducedSorting.suffixes(text, alphabet));
  }

  /** Texts that repeat themselves need the algorithm on itself several times over. */
  @ParameterizedTest
  @ValueSource(strings = {"", "a", "ab", "ba", "aaaaaaaaaaaa", "abababababab", "cabcabcabcacabca"})
  void repetitiveTexts(String text) {
    int[] letters = letters(text.repeat(5));
    assertArrayEquals(naive(letters), InducedSorting.suffixes(letters, 128));
  }

  @Test
  void fibonacciText() {
    String before = "b";
    String text = "a";
    while (text.length() < 3000) {
      String next = text + before;
      before = text;
      text = next;
    }
    assertArrayEquals(naive(letters(text)), InducedSorting.suffixes(letters(text), 128));
  }

  /** Too long for the comparison of all: each suffix is larger than the one before it. */
  @ParameterizedTest
  @CsvSource({"300000, 2", "300000, 50000"})
  void longTexts(int length, int alphabet) {
    int[] text = new Random(length + alphabet).ints(length, 0, alphabet).toArray();
    int[] order = InducedSorting.suffixes(text, alphabet);
    assertEquals(length, Arrays.stream(order).distinct().count());
    for (int i = 1; i < length; i++) {
      int a = order[i - 1];
      int b = order[i];
      assertEquals(-1, Integer.signum(Arrays.compare(text, a, length, text, b, length)));
    }
  }
}
