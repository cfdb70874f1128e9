package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TextDivergenceTest {

  /** Words (1, 0) and (1/2, 1/2): 3/4 log2(4/3) = 0.3113; lengths 1 and 2 are apart. */
  @Test
  void byHand() {
    TextDivergence divergence = TextDivergence.of(List.of("yes", "Yes!"), List.of("yes no"));
    double expected = 0.75 * Math.log(4 / 3.0) / Math.log(2);
    assertEquals(0.31127812445913283, expected, 1e-15);
    assertEquals(expected, divergence.words(), 1e-15);
    assertEquals(1, divergence.lengths(), 1e-15);
    assertTrue(Double.isNaN(divergence.wordPairs()), "the one set has no pairs");
  }

  @Test
  void equalSetsAreAtZeroAndStrangersAtOne() {
    List<String> a = List.of("the cat sat on the mat", "it rains");
    assertEquals(new TextDivergence(0, 0, 0), TextDivergence.of(a, a));
    assertEquals(new TextDivergence(0, 0, 0), TextDivergence.of(a, a.reversed()));
    TextDivergence strangers = TextDivergence.of(a, List.of("where is my card"));
    assertEquals(1, strangers.words(), 1e-12);
    assertEquals(1, strangers.wordPairs(), 1e-12);
    assertEquals(1, strangers.lengths(), 1e-12);
  }

  @Test
  void orderShowsInPairsAlone() {
    TextDivergence divergence = TextDivergence.of(List.of("a b c d"), List.of("d c b a"));
    assertEquals(0, divergence.words());
    assertEquals(1, divergence.wordPairs(), 1e-12);
    assertEquals(0, divergence.lengths());
  }

  /** Twice as many words: farther than another sample of the same source. */
  @Test
  void growsWithTheDistance() {
    Random random = new Random(1);
    List<String> a = sample(random, 30);
    TextDivergence same = TextDivergence.of(a, sample(random, 30));
    List<String> b = sample(random, 60);
    TextDivergence other = TextDivergence.of(a, b);
    assertTrue(same.words() > 0 && same.words() < 0.05, same.toString());
    assertTrue(other.words() > 3 * same.words(), same + " " + other);
    assertEquals(other.words(), TextDivergence.of(b, a).words(), 1e-12, "either way round");
  }

  private static List<String> sample(Random random, int words) {
    return Stream.generate(
            () -> random.ints(12, 0, words).mapToObj(w -> "w" + w).collect(Collectors.joining(" ")))
        .limit(200)
        .toList();
  }

  @Test
  void edges() {
    TextDivergence nothing = TextDivergence.of(List.of(), List.of("a b"));
    assertTrue(Double.isNaN(nothing.words()) && Double.isNaN(nothing.lengths()));
    TextDivergence wordless = TextDivergence.of(List.of("..."), List.of("?"));
    assertTrue(Double.isNaN(wordless.words()));
    assertEquals(0, wordless.lengths(), "no words each");
    assertEquals(1, TextDivergence.of(List.of("caf\u00e9"), List.of("cafe")).words(), 1e-12);
  }
}
