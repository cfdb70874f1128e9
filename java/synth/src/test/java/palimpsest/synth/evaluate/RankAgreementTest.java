package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class RankAgreementTest {
  /** Scores that fall from the first configuration to the last. */
  private static double[] falling(int n) {
    return IntStream.range(0, n).mapToDouble(i -> n - i).toArray();
  }

  /** Scores that rank the configurations as listed; those that are not listed follow. */
  private static double[] ranking(int n, int... order) {
    double[] scores = new double[n];
    for (int i = 0; i < order.length; i++) {
      scores[order[i]] = 2 * n - i;
    }
    for (int i = 0; i < n; i++) {
      scores[i] = scores[i] == 0 ? n - i : scores[i];
    }
    return scores;
  }

  /** The correlations of scipy: spearmanr and kendalltau. */
  @Test
  void correlationsWithTiesAgreeWithTheReference() {
    RankAgreement agreement =
        RankAgreement.of(
            new double[] {1, 2, 2, 3, 5, 4, 7, 6}, new double[] {2, 1, 3, 3, 4, 6, 5, 5});
    assertEquals(0.7939539754135209, agreement.spearman(), 1e-15);
    assertEquals(0.6416236526819377, agreement.kendall(), 1e-15);
    assertEquals(8, agreement.configurations());
    assertEquals(2, agreement.depth());
  }

  /** The best two change places: the agreement is 0 at depth 1 and 1 from there on. */
  @Test
  void overlapOfASwapByHand() {
    double[] swapped = ranking(16, 1, 0);
    assertEquals(0.9, RankAgreement.of(falling(16), swapped).rankBiasedOverlap(), 1e-15);
    assertEquals(0.5, RankAgreement.of(falling(16), swapped, 0.5).rankBiasedOverlap(), 1e-15);
  }

  /**
   * Lists a b c d and z c a v, as in the paper's example: agreements 0, 0, 2/3 and 1/2, the last of
   * which goes on.
   */
  @Test
  void extrapolatedOverlapByHand() {
    double[] other = ranking(16, 15, 2, 0, 14);
    double p = 0.9;
    double expected = (1 - p) * (p * p * 2 / 3 + p * p * p / 2) + p * p * p * p / 2;
    assertEquals(0.4185, expected, 1e-15);
    assertEquals(expected, RankAgreement.of(falling(16), other).rankBiasedOverlap(), 1e-15);
  }

  @Test
  void agreementBelowTheBestQuarterDoesNotCount() {
    double[] other = ranking(16, 8, 9, 10, 11);
    assertEquals(0, RankAgreement.of(falling(16), other).rankBiasedOverlap());
    double[] shuffledBelow = ranking(16, 0, 1, 2, 3, 15, 14, 13, 12, 11, 10);
    assertEquals(1, RankAgreement.of(falling(16), shuffledBelow).rankBiasedOverlap(), 1e-15);
  }

  @Test
  void theBestQuarterIsRoundedUp() {
    assertEquals(1, RankAgreement.of(falling(4), falling(4)).depth());
    assertEquals(2, RankAgreement.of(falling(5), falling(5)).depth());
    assertEquals(3, RankAgreement.of(falling(12), falling(12)).depth());
  }

  /** Two share the first rank: 2 |A and B| / (|A| + |B|) is 2/3 at depth 1. */
  @Test
  void equalScoresEnterTheOverlapTogether() {
    double[] tied = {9, 9, 5, 4, 3, 2, 1, 0};
    double expected = 0.1 * (2.0 / 3 + 0.9) + 0.81;
    assertEquals(expected, RankAgreement.of(tied, falling(8)).rankBiasedOverlap(), 1e-15);
    assertEquals(expected, RankAgreement.of(falling(8), tied).rankBiasedOverlap(), 1e-15);
  }

  @Test
  void oppositeOrders() {
    double[] rising = IntStream.range(0, 20).mapToDouble(i -> i).toArray();
    RankAgreement opposite = RankAgreement.of(falling(20), rising);
    assertEquals(-1, opposite.spearman(), 1e-15);
    assertEquals(-1, opposite.kendall(), 1e-15);
    assertEquals(0, opposite.rankBiasedOverlap());
  }

  @Property
  void theOrderOfTheSetsAndOfTheConfigurationsMakesNoDifference(
      @ForAll @Size(min = 2, max = 30) int[] any,
      @ForAll @IntRange(min = 2, max = 20) int values,
      @ForAll @DoubleRange(min = 0.1, max = 0.99) double p) {
    int n = any.length;
    double[] a = Arrays.stream(any).mapToDouble(x -> Math.floorMod(x, values)).toArray();
    double[] b = Arrays.stream(any).mapToDouble(x -> Math.floorMod(x / 7, values)).toArray();
    RankAgreement agreement = RankAgreement.of(a, b, p);
    assertTrue(
        agreement.rankBiasedOverlap() >= 0 && agreement.rankBiasedOverlap() <= 1 + 1e-12,
        agreement.toString());
    assertEquals(1, RankAgreement.of(a, a, p).rankBiasedOverlap(), 1e-12);
    assertSame(agreement, RankAgreement.of(b, a, p));
    assertSame(agreement, RankAgreement.of(reversed(a), reversed(b), p));
    double[] monotone = Arrays.stream(a).map(x -> Math.exp(x) - 3).toArray();
    assertSame(agreement, RankAgreement.of(monotone, b, p));
    assertEquals(n, agreement.configurations());
  }

  private static double[] reversed(double[] scores) {
    return IntStream.range(0, scores.length)
        .mapToDouble(i -> scores[scores.length - 1 - i])
        .toArray();
  }

  private static void assertSame(RankAgreement expected, RankAgreement actual) {
    assertEquals(expected.rankBiasedOverlap(), actual.rankBiasedOverlap(), 1e-12);
    assertEquals(expected.spearman(), actual.spearman(), 1e-12);
    assertEquals(expected.kendall(), actual.kendall(), 1e-12);
  }

  @Test
  void scoresThatAreAllEqualHaveNoCorrelation() {
    RankAgreement flat = RankAgreement.of(new double[] {3, 3, 3, 3}, falling(4));
    assertTrue(Double.isNaN(flat.spearman()) && Double.isNaN(flat.kendall()));
    assertEquals(0.4, flat.rankBiasedOverlap(), 1e-15, "one of four that share the first rank");
  }

  @Test
  void refusesWhatCannotBeRanked() {
    double[] two = {1, 2};
    assertThrows(
        IllegalArgumentException.class, () -> RankAgreement.of(two, new double[] {1, 2, 3}));
    assertThrows(
        IllegalArgumentException.class, () -> RankAgreement.of(new double[] {1}, new double[] {1}));
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      double[] scores = {1, bad};
      assertThrows(IllegalArgumentException.class, () -> RankAgreement.of(scores, two));
      assertThrows(IllegalArgumentException.class, () -> RankAgreement.of(two, scores));
    }
    for (double p : new double[] {0, 1, -0.5, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> RankAgreement.of(two, two, p));
    }
  }
}
