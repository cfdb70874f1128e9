package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProportionTest {

  /** Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I. */
  @ParameterizedTest
  @CsvSource({
    "81, 263, 0.2553, 0.3662",
    "15, 148, 0.0624, 0.1605",
    "0, 20, 0.0000, 0.1611",
    "1, 29, 0.0061, 0.1718"
  })
  void wilsonAsPublished(int successes, int trials, double lower, double upper) {
    Proportion proportion = new Proportion(successes, trials);
    assertEquals(lower, proportion.lower(), 5e-5);
    assertEquals(upper, proportion.upper(), 5e-5);
  }

  /**
   * The ends are where the score test is at its critical value: |p - end| = z sqrt(end(1-end)/n).
   */
  @Property
  void theEndsSolveTheScoreEquation(
      @ForAll @IntRange(min = 1, max = 100_000) int trials,
      @ForAll @IntRange(max = 1000) int part) {
    long successes = (long) trials * part / 1000;
    Proportion proportion = new Proportion(successes, trials);
    for (double end : new double[] {proportion.lower(), proportion.upper()}) {
      assertTrue(end >= 0 && end <= 1);
      if (end > 0 && end < 1) {
        double z = Math.abs(proportion.value() - end) / Math.sqrt(end * (1 - end) / trials);
        assertEquals(1.959963984540054, z, 1e-6);
      }
    }
    assertTrue(
        proportion.lower() <= proportion.value() && proportion.value() <= proportion.upper());
  }

  @Test
  void edges() {
    assertEquals(0, new Proportion(0, 0).lower());
    assertEquals(1, new Proportion(0, 0).upper());
    assertEquals(1, new Proportion(20, 20).upper());
    assertThrows(IllegalArgumentException.class, () -> new Proportion(3, 2));
    assertThrows(IllegalArgumentException.class, () -> new Proportion(-1, 2));
  }
}
