package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.TuningTrials.TruncatedNegativeBinomial;

class TuningTrialsTest {
  private static final NeighbouringRelation ADD_REMOVE = NeighbouringRelation.ADD_REMOVE;

  @Test
  void bestOfSeveralRunsAgreesWithTheReference() {
    JsonNode table = Golden.file("accounting.json").get("rdp_orders");
    double[] orders =
        StreamSupport.stream(table.spliterator(), false).mapToDouble(JsonNode::asDouble).toArray();
    JsonNode rows = Golden.file("accounting_extra.json").get("repeat_and_select");
    assertEquals(7, rows.size());
    for (JsonNode row : rows) {
      MechanismSpec spec = Golden.run(ADD_REMOVE, row);
      RenyiAccountant one =
          RenyiAccountant.of(ADD_REMOVE, List.of(new PrivacyEvent.PoissonGaussian(spec)), orders);
      double mean = row.get("mean_trials").asDouble();
      TuningTrials trials =
          row.get("eta").isTextual()
              ? new TuningTrials.Poisson(mean)
              : TruncatedNegativeBinomial.withMean(row.get("eta").asDouble(), mean);
      assertEquals(mean, trials.mean(), 1e-9 * mean);
      if (trials instanceof TruncatedNegativeBinomial negative) {
        assertEquals(row.get("gamma").asDouble(), negative.gamma(), 1e-9);
      }
      double tuned = trials.bestOf(one).epsilon(spec.delta());
      assertEquals(row.get("eps_single_run").asDouble(), one.epsilon(spec.delta()), 1e-6);
      assertEquals(row.get("eps_tuned").asDouble(), tuned, 1e-6 * tuned, row.toString());
    }
  }

  @Test
  void meanIsThatOfTheDistribution() {
    for (double eta : new double[] {-0.5, 0.5, 1, 3}) {
      double gamma = 0.05;
      double weight = (1 - gamma) * Math.exp(SpecialFunctions.logGamma(1 + eta));
      double sum = 0;
      double moment = 0;
      for (int k = 1; k < 4000; k++) {
        sum += weight;
        moment += k * weight;
        weight *= (1 - gamma) * (k + eta) / (k + 1);
      }
      assertEquals(
          moment / sum, new TruncatedNegativeBinomial(eta, gamma).mean(), 1e-9 * moment / sum);
    }
  }

  @Test
  void moreTrialsCostMoreThanOneRun() {
    MechanismSpec spec = Golden.run(0.01, 1, 500, 1e-6);
    RenyiAccountant one =
        RenyiAccountant.of(ADD_REMOVE, List.of(new PrivacyEvent.PoissonGaussian(spec)));
    double last = one.epsilon(1e-6);
    for (double mean : new double[] {1.5, 5, 50, 500}) {
      double tuned = TruncatedNegativeBinomial.withMean(1, mean).bestOf(one).epsilon(1e-6);
      assertTrue(tuned > last, "mean " + mean + ": " + tuned);
      last = tuned;
    }
  }

  @Test
  void whatHasNoBoundIsRefused() {
    PrivacyEvent event = new PrivacyEvent.ApproximateDp(1, 1e-7, 1);
    RenyiAccountant approximate = RenyiAccountant.of(ADD_REMOVE, List.of(event));
    TuningTrials trials = new TuningTrials.Poisson(5);
    assertThrows(IllegalArgumentException.class, () -> trials.bestOf(approximate));
    assertThrows(IllegalArgumentException.class, () -> new TuningTrials.Poisson(0));
    assertThrows(IllegalArgumentException.class, () -> new TruncatedNegativeBinomial(-1, 0.5));
    assertThrows(IllegalArgumentException.class, () -> new TruncatedNegativeBinomial(1, 1));
    assertThrows(IllegalArgumentException.class, () -> TruncatedNegativeBinomial.withMean(1, 0.5));
  }
}
