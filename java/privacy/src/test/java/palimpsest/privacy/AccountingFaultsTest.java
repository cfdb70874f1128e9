package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import palimpsest.testing.FullTests;

/** Faults that the accounting of other systems had: none of them here. */
class AccountingFaultsTest {
  private static double stated(MechanismSpec spec) {
    return Accountant.of(spec).epsilon(spec.delta()).upper();
  }

  /** Batches cut from one shuffled list lose more than Poisson batches are accounted for. */
  @Test
  void shuffledBatchesAreNotPoissonBatches() {
    JsonNode rows = Golden.file("accounting_extra.json").get("shuffle_lower_bound_one_epoch");
    assertEquals(8, rows.size());
    for (JsonNode row : rows) {
      int steps = row.get("steps_per_epoch").asInt();
      double sigma = row.get("noise_multiplier").asDouble();
      MechanismSpec spec = Golden.run(1.0 / steps, sigma, steps, row.get("delta").asDouble());
      EpsilonBracket own = Accountant.of(spec).epsilon(spec.delta());
      double lower = row.get("eps_poisson_lower").asDouble();
      double upper = row.get("eps_poisson_upper").asDouble();
      assertTrue(
          own.upper() >= lower && own.upper() <= upper * (1 + 2e-4), own + " against " + row);
      assertTrue(own.upper() < row.get("eps_lower_bound_shuffle").asDouble());
    }
  }

  /** Calibration must neither overshoot the target nor waste budget. */
  @Test
  @Tag("R06")
  void calibratedNoiseUsesTheBudgetAndNoMore() {
    int points = (int) FullTests.size(10, 200);
    for (int i = 0; i < points; i++) {
      double target = 0.2 * Math.pow(60, i / (points - 1.0));
      double rate = new double[] {0.002, 0.01, 0.05}[i % 3];
      int steps = new int[] {50, 400, 3000, 1}[i % 4];
      MechanismSpec found = Calibration.calibrate(Golden.run(rate, 1, steps, 1e-6), target);
      double epsilon = stated(found);
      assertTrue(epsilon <= target, found + " costs " + epsilon + ", target " + target);
      assertTrue(epsilon > target * (1 - 2e-3), found + " costs " + epsilon + ", target " + target);
    }
  }

  /** At the last planned step the budget holds; one step more breaks it. */
  @Test
  void theLastStepIsTheLast() {
    assertTrue(stated(Settings.of(0.1, 3, 155, 1e-6)) <= 2);
    assertTrue(Accountant.of(Settings.of(0.1, 3, 156, 1e-6)).epsilon(1e-6).lower() > 2);
  }

  /**
   * Eight micro-batches of one update are one access at eight times the rate, not at the rate of
   * each.
   */
  @Test
  @Tag("R17")
  @Tag("R39")
  void microBatchesAreNotSteps() {
    assertEquals(0.72, stated(Golden.run(0.01, 1, 100, 1e-5)), 0.005);
    assertEquals(5.61, stated(Golden.run(0.08, 1, 100, 1e-5)), 0.05);
  }

  @Test
  @Tag("R21")
  void epsilonFallsWithTheNoiseAndDoesNotVanish() {
    double last = Double.POSITIVE_INFINITY;
    for (double sigma = 1; sigma <= 1.1e4; sigma *= 10) {
      EpsilonBracket own = Accountant.of(Golden.run(0.1, sigma, 1000, 1e-9)).epsilon(1e-9);
      assertTrue(own.lower() > 0 && own.upper() < last, "sigma " + sigma + ": " + own);
      assertTrue(own.upper() <= own.renyi() * (1 + 1e-9), "sigma " + sigma + ": " + own);
      last = own.upper();
    }
  }

  /** The smaller delta, the larger epsilon, down to deltas that additive error would swallow. */
  @Test
  @Tag("R25")
  void tinyDeltasHaveFiniteBounds() {
    MechanismSpec spec = Golden.run(0.01, 1, 1000, 1e-6);
    double last = 0;
    for (double delta : new double[] {1e-6, 1e-9, 1e-12, 1e-15, 1e-20, 1e-30}) {
      EpsilonBracket own = Accountant.of(spec).epsilon(delta);
      assertTrue(
          own.lower() > last && own.upper() < Double.POSITIVE_INFINITY,
          "delta " + delta + ": " + own);
      assertTrue(own.upper() <= own.lower() * (1 + 3e-4), "delta " + delta + ": " + own);
      assertTrue(
          own.renyi() > own.lower() && own.renyi() < 1.4 * own.upper(),
          "delta " + delta + ": " + own);
      last = own.upper();
    }
  }

  /** Where the closed form is known, tiny deltas are exact. */
  @Test
  void tinyDeltasOfPlainGaussiansAgreeWithTheClosedForm() {
    LossCells cells = new LossCells(new SubsampledGaussian(1, 4), 1e-3, 13);
    Composition upper = new Composition(List.of(new Composition.Part(cells.upper(false), 50)));
    Composition lower = new Composition(List.of(new Composition.Part(cells.lower(false), 50)));
    for (double delta : new double[] {1e-3, 1e-9, 1e-15, 1e-25}) {
      double exact = AnalyticGaussian.epsilon(Math.sqrt(50) / 4, delta);
      assertEquals(exact, upper.epsilonAbove(delta), 1e-5 * exact);
      assertTrue(upper.epsilonAbove(delta) >= exact && lower.epsilonBelow(delta) <= exact);
      assertEquals(exact, lower.epsilonBelow(delta), 1e-5 * exact);
      assertEquals(delta, upper.deltaAbove(exact), 1e-3 * delta);
      assertTrue(upper.deltaAbove(exact) >= delta && lower.deltaBelow(exact) <= delta);
    }
  }

  @Test
  void gaussianNoiseAndEpsilonAreInverse() {
    for (double epsilon = 1e-5; epsilon < 2e5; epsilon *= 10) {
      for (double delta : new double[] {1e-10, 1e-6, 1e-3, 0.1, 0.9}) {
        double sigma = AnalyticGaussian.noiseMultiplier(epsilon, delta);
        assertEquals(epsilon, AnalyticGaussian.epsilon(1 / sigma, delta), 1e-7 * epsilon);
        assertTrue(AnalyticGaussian.delta(1 / sigma, epsilon) <= delta * (1 + 1e-11));
      }
    }
  }
}
