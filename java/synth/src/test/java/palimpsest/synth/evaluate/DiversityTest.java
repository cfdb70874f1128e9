package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class DiversityTest {

  @Test
  void byHand() {
    // Words: the cat sat / the cat sat / don't stop; pairs: the-cat cat-sat twice, don't-stop.
    Diversity diversity = Diversity.of(List.of("The cat sat.", "The cat sat.", "Don't stop!"));
    assertEquals(new Diversity(3, 5 / 8.0, 3 / 5.0, 1 / 3.0, 0, 8 / 3.0), diversity);
  }

  @Test
  void aTextThatRunsInCirclesIsSeen() {
    assertEquals(
        0.5, Diversity.of(List.of("go to the go to the go", "go to the sea")).selfRepetition());
    assertEquals(0, Diversity.of(List.of("no no")).selfRepetition());
    assertEquals(1, Diversity.of(List.of("no no no no")).selfRepetition());
  }

  @Test
  void collapseIsSeen() {
    Diversity collapsed = Diversity.of(Collections.nCopies(100, "where is my card"));
    assertEquals(0.99, collapsed.duplicateShare(), 1e-12);
    assertEquals(0.01, collapsed.distinct1(), 1e-12);
    assertEquals(0.01, collapsed.distinct2(), 1e-12);
  }

  @Test
  void edges() {
    assertThrows(IllegalArgumentException.class, () -> Diversity.of(List.of()));
    Diversity wordless = Diversity.of(List.of("", "..."));
    assertTrue(Double.isNaN(wordless.distinct1()) && Double.isNaN(wordless.distinct2()));
    assertEquals(0, wordless.meanWords());
  }
}
