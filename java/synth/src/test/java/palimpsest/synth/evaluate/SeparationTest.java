package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SeparationTest {
  private static double[] normal(Random random, int n, double mean) {
    return IntStream.range(0, n).mapToDouble(_ -> mean + random.nextGaussian()).toArray();
  }

  /** Of six pairs the members win two, and one is a tie. */
  @Test
  void theAreaByHand() {
    assertEquals(2.5 / 6, Separation.of(new double[] {3, 1}, new double[] {2, 1, 4}).auc(), 1e-12);
  }

  @Test
  void theShareFoundByHand() {
    double[] others = IntStream.range(0, 200).mapToDouble(i -> i).toArray();
    double[] members = {150, 180, 190, 197.5, 198, 300};
    Separation found = Separation.of(members, others);
    assertEquals(new Proportion(3, 6), found.foundAtOnePercent(), "above 197");
    assertEquals(new Proportion(5, 6), found.foundAtTenPercent(), "above 179");
  }

  @Test
  void perfectSeparationHasAnIntervalWithAWidth() {
    Separation all = Separation.of(new double[] {2, 3, 4, 5}, new double[] {0, 1, 1, 0});
    assertEquals(1, all.auc());
    assertEquals(1, all.upper());
    assertTrue(all.lower() > 0.4 && all.lower() < 0.9, all.toString());
    Separation none = Separation.of(new double[] {0, 1, 1, 0}, new double[] {2, 3, 4, 5});
    assertEquals(all.lower(), 1 - none.upper(), 1e-12, "the other way round, the same");
  }

  /** Normal scores a distance apart: the area is Phi(distance / sqrt 2). */
  @Test
  void theIntervalHoldsTheTruthAsOftenAsItSays() {
    Random random = new Random(8);
    double[][] cases = {{0, 0.5}, {1, 0.7602499389065233}, {2.5, 0.9614500641282292}};
    for (double[] one : cases) {
      int held = 0;
      for (int run = 0; run < 400; run++) {
        Separation found = Separation.of(normal(random, 60, one[0]), normal(random, 50, 0));
        held += found.lower() <= one[1] && one[1] <= found.upper() ? 1 : 0;
      }
      assertTrue(held >= 364, held + " of 400 intervals hold " + one[1]);
      assertTrue(held < 400, "intervals that never miss are too wide");
    }
  }

  @Test
  void needsScoresOfBothKinds() {
    double[] none = {};
    double[] some = {1};
    assertThrows(IllegalArgumentException.class, () -> Separation.of(none, some));
    assertThrows(IllegalArgumentException.class, () -> Separation.of(some, none));
    assertThrows(
        IllegalArgumentException.class, () -> Separation.of(some, new double[] {Double.NaN}));
  }
}
