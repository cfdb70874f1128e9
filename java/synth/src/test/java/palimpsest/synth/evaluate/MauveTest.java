package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.SplitMix64;

class MauveTest {
  private static final int ROWS = 600;
  private static final int DIMENSIONS = 24;
  private static final int CENTRES = 30;

  private static int sixteenBits(long word) {
    return (int) (SplitMix64.mix(word) >>> 48) - (1 << 15);
  }

  /**
   * The embeddings of bench/peers/frontier.py: a centre, of 30 that begin with the given one, and
   * noise that is the set's own. Whole numbers, so that no rounding tells the two programs apart.
   */
  private static float[][] embeddings(int set, int firstCentre) {
    float[][] rows = new float[ROWS][DIMENSIONS];
    for (int row = 0; row < ROWS; row++) {
      long centre = firstCentre + row % CENTRES;
      for (int i = 0; i < DIMENSIONS; i++) {
        int noise = sixteenBits((set + 1L << 40) + (long) row * DIMENSIONS + i);
        rows[row][i] = 2 * sixteenBits((1L << 32) + centre * DIMENSIONS + i) + noise;
      }
    }
    return rows;
  }

  /** The mean of the package's values over ten seeds, by bench/peers/frontier.py. */
  @ParameterizedTest
  @CsvSource({
    "0, 0.987237, 0.991732",
    "5, 0.549389, 0.650685",
    "15, 0.102533, 0.171938",
    "30, 0.007783, 0.020352"
  })
  void agreesWithTheAuthorsPackage(int firstCentre, double value, double smoothed) {
    float[][] p = embeddings(0, 0);
    float[][] q = embeddings(1, firstCentre);
    double sum = 0;
    double sumSmoothed = 0;
    for (int seed = 0; seed < 10; seed++) {
      Mauve mauve = Mauve.of(p, q, seed);
      assertEquals(60, mauve.clusters());
      sum += mauve.value();
      sumSmoothed += mauve.smoothed();
    }
    assertEquals(value, sum / 10, 0.02);
    assertEquals(smoothed, sumSmoothed / 10, 0.02);
  }

  /** Counts by a formula that bench/peers/frontier.py has too, some of them zero. */
  private static double[] counts(int set, int clusters) {
    return IntStream.range(0, clusters)
        .mapToDouble(i -> Math.max(0, (i * i * 7 + i * 3 + set * (11 * i + 5)) % 13 - 3))
        .toArray();
  }

  /** The package's area and smoothed area of the same histograms, by bench/peers/frontier.py. */
  @ParameterizedTest
  @CsvSource({
    "3, 0.124436125609014, 0.366823105399741",
    "10, 0.187246015767756, 0.474815932796742",
    "60, 0.174388104299676, 0.421904736238310"
  })
  void theAreaIsThatOfTheAuthorsPackage(int clusters, double area, double smoothed) {
    double[] p = counts(0, clusters);
    double[] q = counts(1, clusters);
    assertEquals(area, Mauve.area(p, q), 1e-9);
    assertEquals(
        smoothed,
        Mauve.area(
            Arrays.stream(p).map(x -> x + 0.5).toArray(),
            Arrays.stream(q).map(x -> x + 0.5).toArray()),
        1e-9);
  }

  /** Two that have nothing in common: the integral of (1 - w)^5 over w^5 from 0 to 1 is 1 / 252. */
  @Test
  void theAreaOfStrangersByHand() {
    double area = Mauve.area(new double[] {3, 4, 0, 0}, new double[] {0, 0, 2, 9});
    assertEquals(1 / 252.0, area, 2e-4);
    assertEquals(area, Mauve.area(new double[] {1, 0}, new double[] {0, 1}), 1e-15);
    assertEquals(1, Mauve.area(new double[] {3, 0, 7}, new double[] {6, 0, 14}), 1e-12);
  }

  @Property
  void theAreaIsAShareAndTheSameEitherWayRound(@ForAll @Size(min = 1, max = 20) int[] any) {
    double[] p = Arrays.stream(any).mapToDouble(x -> Math.floorMod(x, 5)).toArray();
    double[] q = Arrays.stream(any).mapToDouble(x -> Math.floorMod(x / 5, 5)).toArray();
    p[0]++;
    q[0]++;
    double area = Mauve.area(p, q);
    assertTrue(area > 0 && area <= 1 + 1e-12, "area " + area);
    assertEquals(area, Mauve.area(q, p), 1e-12);
    assertEquals(1, Mauve.area(p, p), 1e-12);
  }

  /** The set itself, two halves of one set, other topics, noise. */
  @Test
  void closerSetsScoreHigher() {
    float[][] set = embeddings(0, 0);
    List<float[]> shuffled = Arrays.asList(set.clone());
    Collections.shuffle(shuffled, new Random(1));
    float[][] one = shuffled.subList(0, ROWS / 2).toArray(float[][]::new);
    float[][] two = shuffled.subList(ROWS / 2, ROWS).toArray(float[][]::new);
    float[][] topics = Arrays.copyOf(embeddings(1, 10), ROWS / 2);
    Random random = new Random(2);
    float[][] noise = new float[ROWS / 2][DIMENSIONS];
    for (float[] row : noise) {
      for (int i = 0; i < DIMENSIONS; i++) {
        row[i] = (float) random.nextGaussian();
      }
    }
    double itself = Mauve.of(set, set, 1).value();
    double halves = Mauve.of(one, two, 1).value();
    double others = Mauve.of(one, topics, 1).value();
    double far = Mauve.of(one, noise, 1).value();
    assertEquals(1, itself, 1e-12);
    assertTrue(halves < 1 && halves > 0.8, "halves " + halves);
    assertTrue(others < 0.8 * halves, "other topics " + others);
    assertTrue(far < 0.5 * others, "noise " + far);
  }

  /** As in the package: embeddings of length 1, so that their lengths make no difference. */
  @Test
  void lengthsMakeNoDifference() {
    float[][] p = embeddings(0, 0);
    float[][] q = embeddings(1, 5);
    float[][] longer = embeddings(1, 5);
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < DIMENSIONS; i++) {
        longer[row][i] *= 1 << row % 4;
      }
    }
    assertEquals(Mauve.of(p, q, 7), Mauve.of(p, longer, 7));
  }

  /** A tenth of the smaller set, half to even, at least two. */
  @ParameterizedTest
  @CsvSource({"1, 2", "14, 2", "25, 2", "26, 3", "35, 4", "45, 4", "100, 10"})
  void aClusterForEveryTenTexts(int rows, int clusters) {
    float[][] p = Arrays.copyOf(embeddings(0, 0), rows);
    assertEquals(clusters, Mauve.of(p, embeddings(1, 0), 1).clusters());
    assertEquals(clusters, Mauve.of(embeddings(1, 0), p, 1).clusters());
  }

  @Test
  void edges() {
    float[][] none = {};
    float[][] some = {{1, 2}, {2, 1}};
    assertThrows(IllegalArgumentException.class, () -> Mauve.of(none, some, 1));
    assertThrows(IllegalArgumentException.class, () -> Mauve.of(some, none, 1));
    float[][][] bad = {{{1}}, {{Float.NaN, 1}}, {{Float.POSITIVE_INFINITY, 1}}, {{}}};
    for (float[][] one : bad) {
      assertThrows(IllegalArgumentException.class, () -> Mauve.of(one, some, 1));
      assertThrows(IllegalArgumentException.class, () -> Mauve.of(some, one, 1));
    }
    float[][] equal = {{3, 4}, {3, 4}, {6, 8}};
    assertEquals(1, Mauve.of(equal, equal, 1).value(), 1e-12);
    assertEquals(1, Mauve.of(new float[1][2], new float[1][2], 1).value(), 1e-12);
    assertEquals(1 / 252.0, Mauve.of(new float[1][2], equal, 1).value(), 2e-4);
  }
}
