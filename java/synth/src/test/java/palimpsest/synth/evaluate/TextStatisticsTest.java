package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import palimpsest.synth.evaluate.TextStatistics.Quantiles;

class TextStatisticsTest {

  @Test
  void byHand() {
    // Triples: the-cat-sat cat-sat-on / the-cat-sat; runs of four: the-cat-sat-on.
    TextStatistics statistics =
        TextStatistics.of(List.of("The cat sat on.", "the cat sat", "Well?"));
    assertEquals(new Quantiles(1, 1, 3, 4, 4), statistics.words());
    assertEquals(new Quantiles(5, 5, 11, 15, 15), statistics.characters());
    assertEquals(2 / 3.0, statistics.distinct3(), 1e-15);
    assertEquals(0, statistics.repetition4());
  }

  /** Of the nine runs of four words of the first text three are different; the third is short. */
  @Test
  void repetitionInATextByHand() {
    String circles = "a b c a b c a b c a b c";
    assertEquals(2 / 3.0, TextStatistics.of(List.of(circles)).repetition4(), 1e-15);
    assertEquals(
        1 / 3.0,
        TextStatistics.of(List.of(circles, "one two three four", "a a a")).repetition4(),
        1e-15);
  }

  @Test
  void quantilesAreNumbersThatOccur() {
    int[] hundred = IntStream.rangeClosed(1, 100).map(i -> 101 - i).toArray();
    assertEquals(new Quantiles(5, 25, 50, 75, 95), Quantiles.of(hundred));
    assertEquals(new Quantiles(8, 8, 8, 8, 8), Quantiles.of(new int[] {8}));
    assertEquals(new Quantiles(1, 1, 1, 9, 9), Quantiles.of(new int[] {9, 1}));
  }

  @Test
  void charactersAreCodePoints() {
    assertEquals(3, TextStatistics.of(List.of("a\uD83D\uDE00\u00e9")).characters().median());
  }

  @Test
  void edges() {
    assertThrows(IllegalArgumentException.class, () -> TextStatistics.of(List.of()));
    TextStatistics wordless = TextStatistics.of(List.of("", "..."));
    assertTrue(Double.isNaN(wordless.distinct3()) && Double.isNaN(wordless.repetition4()));
    assertEquals(new Quantiles(0, 0, 0, 0, 0), wordless.words());
    assertEquals(3, wordless.characters().ninetyFivePercent());
  }
}
