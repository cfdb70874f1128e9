package palimpsest.privacy.audit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.AnalyticGaussian;
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
    assertEquals(1 - Math.pow(0.025, 0.01), GaussianAudit.upperLimit(0, 100, 0.025), 1e-12);
    assertEquals(1, GaussianAudit.upperLimit(100, 100, 0.025));
    // All but one of n: 1 - p^n = significance.
    assertEquals(Math.pow(0.975, 0.1), GaussianAudit.upperLimit(9, 10, 0.025), 1e-12);
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
