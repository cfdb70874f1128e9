package palimpsest.privacy.audit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.AnalyticGaussian;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.testing.Shared;

class AuditTest {
  @Test
  void oneRunBoundsAgreeWithTheReference() throws IOException {
    JsonNode extra =
        new ObjectMapper().readTree(Shared.file("golden/accounting_extra.json").toFile());
    assertEquals(10, extra.get("one_run_audit").size());
    for (JsonNode row : extra.get("one_run_audit")) {
      OneRunAudit audit =
          new OneRunAudit(
              row.get("canaries").asInt(), row.get("guesses").asInt(), row.get("correct").asInt());
      double delta = row.get("delta").asDouble();
      double bound = audit.epsilonBelow(delta, row.get("significance").asDouble());
      assertEquals(row.get("eps_lower_bound").asDouble(), bound, 1e-8, row.toString());
      double p = row.get("p_value_at_eps_1").asDouble();
      assertEquals(p, audit.pValue(1, delta), 1e-9 * p, row.toString());
    }
  }

  @Test
  void oneRunBoundHoldsForRandomisedResponse() {
    double epsilon = 1.5;
    Random random = new Random(5);
    int broken = 0;
    for (int run = 0; run < 400; run++) {
      int correct = 0;
      for (int i = 0; i < 200; i++) {
        correct += random.nextDouble() < 1 / (1 + Math.exp(-epsilon)) ? 1 : 0;
      }
      broken += new OneRunAudit(200, 200, correct).epsilonBelow(1e-6, 0.05) > epsilon ? 1 : 0;
    }
    assertTrue(broken <= 34, "bound above the truth in " + broken + " of 400 audits at 5 %");
    assertTrue(broken >= 1, "a bound that never fails at 5 % is not tight");
  }

  private static double[] normal(Random random, int n, double mean) {
    return random.doubles(n).map(u -> mean + random.nextGaussian()).toArray();
  }

  @Test
  void gaussianBoundHoldsAndCatchesHalvedNoise() {
    Random random = new Random(7);
    double claimed = AnalyticGaussian.epsilon(1, 1e-5);
    int broken = 0;
    int caught = 0;
    for (int run = 0; run < 60; run++) {
      double[] members = normal(random, 1000, 1);
      double[] others = normal(random, 1000, 0);
      broken += GaussianAudit.epsilonBelow(members, others, 0.05, 1e-5) > claimed ? 1 : 0;
      double[] halved = normal(random, 1000, 2);
      caught += GaussianAudit.epsilonBelow(halved, others, 0.05, 1e-5) > claimed ? 1 : 0;
    }
    assertTrue(broken <= 9, "bound above the truth in " + broken + " of 60 audits at 5 %");
    assertTrue(caught >= 58, "halved noise caught in " + caught + " of 60 audits");
  }

  /** Likelihood ratios of a coordinate that a sampled canary would have moved by 1. */
  private static double[] sampled(Random random, int n, double q, int steps, double s, boolean in) {
    return random
        .doubles(n)
        .map(u -> {
          double score = 0;
          for (int t = 0; t < steps; t++) {
            double x = s * random.nextGaussian() + (in && random.nextDouble() < q ? 1 : 0);
            score += Math.log1p(q * Math.expm1((2 * x - 1) / (2 * s * s)));
          }
          return score;
        })
        .toArray();
  }

  @Test
  void subsampledBoundHoldsAndCatchesHalvedNoise() {
    double q = 0.1;
    int steps = 60;
    double s = 0.8;
    MechanismSpec claim =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, s, 1, 10, 100, steps, 1e-5);
    double claimed = Accountant.of(claim).epsilon(1e-5).upper();
    SubsampledAudit audit = new SubsampledAudit(claim);
    Random random = new Random(11);
    int broken = 0;
    for (int run = 0; run < 6; run++) {
      double[] others = sampled(random, 1000, q, steps, s, false);
      double bound = audit.epsilonBelow(sampled(random, 1000, q, steps, s, true), others, 1e-3);
      assertTrue(bound > 0.2 * claimed, "a bound this low shows nothing: " + bound);
      broken += bound > claimed ? 1 : 0;
      double half = s / 2;
      double[] halvedOthers = sampled(random, 1000, q, steps, half, false);
      double halved =
          audit.epsilonBelow(sampled(random, 1000, q, steps, half, true), halvedOthers, 1e-3);
      assertTrue(halved > claimed, "halved noise is not seen: " + halved + " of " + claimed);
    }
    assertEquals(0, broken, "bounds above the claim at significance 1e-3");
  }

  @Test
  void subsampledBoundIsTheGaussianOneWithoutSampling() {
    MechanismSpec claim =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 100, 100, 1, 1e-5);
    Random random = new Random(12);
    double[] members = normal(random, 2000, 1.2);
    double[] others = normal(random, 2000, 0);
    double gaussian = GaussianAudit.epsilonBelow(members, others, 0.05, 1e-5);
    double family = new SubsampledAudit(claim).epsilonBelow(members, others, 0.05);
    assertTrue(family <= gaussian && family > 0.9 * gaussian, family + " of " + gaussian);
  }

  @Test
  void equalScoresShowNothing() {
    double[] same = new double[100];
    assertEquals(0, GaussianAudit.epsilonBelow(same, same, 0.05, 1e-5));
    assertThrows(
        IllegalArgumentException.class, () -> GaussianAudit.muBelow(new double[3], same, 0.05));
  }

  @Test
  void confidenceLimitOfARate() {
    // No hit in n trials: the limit solves (1 - p)^n = significance.
    assertEquals(1 - Math.pow(0.025, 0.01), ErrorRates.upperLimit(0, 100, 0.025), 1e-12);
    assertEquals(1, ErrorRates.upperLimit(100, 100, 0.025));
    // All but one of n: 1 - p^n = significance.
    assertEquals(Math.pow(0.975, 0.1), ErrorRates.upperLimit(9, 10, 0.025), 1e-12);
  }

  @Test
  void impossibleOutcomesAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new OneRunAudit(10, 11, 5));
    assertThrows(IllegalArgumentException.class, () -> new OneRunAudit(10, 5, 6));
    OneRunAudit audit = new OneRunAudit(10, 5, 3);
    assertThrows(IllegalArgumentException.class, () -> audit.epsilonBelow(1e-5, 0));
    assertThrows(IllegalArgumentException.class, () -> audit.pValue(Double.NaN, 0));
  }
}
