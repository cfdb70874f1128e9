package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class LikenessTest {
  /** Around a few of twelve centres. */
  private static float[][] embeddings(int rows, int centres, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][] all = new float[rows][12];
    for (float[] row : all) {
      for (int i = 0; i < row.length; i++) {
        row[i] = (float) (0.1 * random.nextGaussian());
      }
      row[random.nextInt(centres)] += 1;
    }
    return all;
  }

  /** A set like the real one reaches what real texts reach of each other; a poorer one does not. */
  @Test
  void theBestIsWhatRealTextsHaveOfEachOther() {
    float[][] real = embeddings(800, 12, 1);
    Likeness alike = Likeness.of(embeddings(400, 12, 2), real, 1);
    Likeness poorer = Likeness.of(embeddings(400, 3, 2), real, 1);
    assertEquals(400, alike.texts());
    assertEquals(alike.real().value(), poorer.real().value());
    assertEquals(alike.real().smoothed(), alike.synthetic().smoothed(), 0.1);
    assertTrue(
        poorer.synthetic().smoothed() < alike.synthetic().smoothed() - 0.3, poorer.toString());
  }

  @Test
  void allSetsHaveEquallyManyTexts() {
    assertEquals(50, Likeness.of(embeddings(90, 12, 2), embeddings(101, 12, 1), 1).texts());
    assertEquals(30, Likeness.of(embeddings(30, 12, 2), embeddings(101, 12, 1), 1).texts());
    assertThrows(
        IllegalArgumentException.class,
        () -> Likeness.of(embeddings(30, 12, 2), embeddings(39, 12, 1), 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> Likeness.of(embeddings(19, 12, 2), embeddings(100, 12, 1), 1));
  }
}
