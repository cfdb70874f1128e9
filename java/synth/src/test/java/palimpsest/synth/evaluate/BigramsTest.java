package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class BigramsTest {
  private static final int VOCABULARY = 5;

  private static double probability(Bigrams model, int before, int token) {
    return Math.exp(model.logProbability(new int[] {before, token}, 1));
  }

  /** After 0 came 1 twice and 2 once; six tokens in all, and a hundredth of each of five. */
  @Test
  void probabilitiesByHand() {
    Bigrams model = new Bigrams(List.of(new int[] {0, 1}, new int[] {0, 1, 0, 2}), VOCABULARY);
    double one = 2.01 / 6.05;
    double never = 0.01 / 6.05;
    assertEquals((2 + one) / 4, probability(model, 0, 1), 1e-15);
    assertEquals(never / 4, probability(model, 0, 3), 1e-15);
    assertEquals(one, probability(model, 4, 1), 1e-15, "nothing is known of what follows 4");
    double first = (2 + 3.01 / 6.05) / 3;
    assertEquals(
        Math.log(first) + Math.log((2 + one) / 4),
        model.logProbability(new int[] {0, 1}, 0),
        1e-14);
    assertEquals(0, model.logProbability(new int[] {0, 1}, 2));
  }

  @Test
  void probabilitiesAddUpToOne() {
    Bigrams model = new Bigrams(List.of(new int[] {3, 1, 1, 2}, new int[] {}), VOCABULARY);
    for (int before = 0; before < VOCABULARY; before++) {
      double sum = 0;
      for (int token = 0; token < VOCABULARY; token++) {
        sum += probability(model, before, token);
      }
      assertEquals(1, sum, 1e-12);
    }
  }

  @Test
  void aModelThatReadNothingFindsAllTokensAlike() {
    Bigrams model = new Bigrams(List.of(), VOCABULARY);
    assertEquals(1.0 / VOCABULARY, probability(model, 1, 2), 1e-15);
  }

  @Test
  void whatWasReadTogetherIsLikelierTogether() {
    Bigrams model = new Bigrams(List.of(new int[] {1, 2}, new int[] {3, 4}), VOCABULARY);
    assertTrue(probability(model, 1, 2) > 2 * probability(model, 1, 4));
  }
}
