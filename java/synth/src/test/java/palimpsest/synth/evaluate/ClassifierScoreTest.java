package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ClassifierScoreTest {
  /** By hand: a has precision 2/3 and recall 2/2, b 1/1 and 1/2, c is given to none of its one. */
  @Test
  void f1ByHand() {
    ClassifierScore score =
        ClassifierScore.of(List.of("a", "a", "b", "b", "c"), List.of("a", "a", "b", "a", "d"));
    assertEquals(new Proportion(3, 5), score.accuracy());
    assertEquals(Map.of("a", 0.8, "b", 2 / 3.0, "c", 0.0, "d", 0.0), score.f1());
    assertEquals((0.8 + 2 / 3.0) / 4, score.macroF1(), 1e-12);
  }

  @Test
  void everyTextNeedsAPrediction() {
    assertThrows(IllegalArgumentException.class, () -> ClassifierScore.of(List.of("a"), List.of()));
    assertThrows(IllegalArgumentException.class, () -> ClassifierScore.of(List.of(), List.of()));
  }
}
