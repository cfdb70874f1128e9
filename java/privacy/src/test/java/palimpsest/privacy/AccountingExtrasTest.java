package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import palimpsest.privacy.PrivacyEvent.ApproximateDp;
import palimpsest.privacy.PrivacyEvent.DiscreteLaplace;
import palimpsest.privacy.PrivacyEvent.Gaussian;
import palimpsest.privacy.PrivacyEvent.GaussianMixture;
import palimpsest.privacy.PrivacyEvent.PoissonGaussian;
import palimpsest.privacy.PrivacyEvent.TruncatedPoissonGaussian;
import palimpsest.testing.Shared;

/**
 * Epsilon of the other mechanisms against independent brackets. Of the same table, tuning by
 * repeat-and-select, the one-run audit and the lower bound for shuffling concern no event of this
 * package and are left out.
 */
class AccountingExtrasTest {
  private static JsonNode rows(String name) throws IOException {
    JsonNode table =
        new ObjectMapper().readTree(Shared.file("golden/accounting_extra.json").toFile());
    assertTrue(table.get(name).size() > 0, name);
    return table.get(name);
  }

  private static double number(JsonNode row, String field) {
    return row.get(field).asDouble();
  }

  private static MechanismSpec spec(NeighbouringRelation relation, JsonNode row) {
    return Settings.of(
        relation,
        number(row, "sampling_rate"),
        number(row, "noise_multiplier"),
        row.get("steps").asInt(),
        number(row, "delta"));
  }

  private static void assertBracket(JsonNode row, EpsilonBracket ours) {
    double lower = number(row, "eps_lower");
    double upper = number(row, "eps_upper");
    assertTrue(ours.upper() >= lower, () -> "too low: " + ours + " for " + row);
    assertTrue(ours.upper() <= upper * (1 + 2e-4), () -> "too high: " + ours + " for " + row);
    assertTrue(ours.lower() <= upper, () -> "lower bound too high: " + ours + " for " + row);
    assertTrue(
        ours.lower() >= lower * (1 - 2e-4), () -> "lower bound low: " + ours + " for " + row);
    assertTrue(ours.renyi() >= lower, () -> "Renyi too low: " + ours + " for " + row);
  }

  @Test
  @Tag("R26")
  void replaceOne() throws IOException {
    for (JsonNode row : rows("replace_one")) {
      MechanismSpec spec = spec(NeighbouringRelation.REPLACE_ONE, row);
      assertBracket(row, Accountant.of(spec).epsilon(spec.delta()));
    }
  }

  @Test
  void usersWithSeveralRecords() throws IOException {
    for (JsonNode row : rows("user_level_add_remove")) {
      MechanismSpec spec =
          spec(NeighbouringRelation.ADD_REMOVE, row)
              .withUnit(ProtectedUnit.USER, row.get("max_records_per_user").asInt());
      assertBracket(row, Accountant.of(spec).epsilon(spec.delta()));
    }
  }

  /**
   * Who is drawn once in thousands of runs, with hardly any noise: losses that are as good as never
   * seen and then enormous. One lower bound is empty, and the finest grid is too fine for the sum.
   */
  @Test
  @Timeout(120)
  void whatIsRareAndThenPlainHasABound() {
    MechanismSpec once =
        Settings.of(NeighbouringRelation.ADD_REMOVE, 2.65e-7, 0.4255, 162, 6.9e-17);
    MechanismSpec often =
        Settings.of(NeighbouringRelation.ADD_REMOVE, 2.65e-7, 0.055, 162, 6.9e-17)
            .withUnit(ProtectedUnit.USER, 8);
    for (MechanismSpec spec : List.of(once, often)) {
      EpsilonBracket epsilon = Accountant.of(spec).epsilon(spec.delta());
      assertTrue(epsilon.upper() > 0 && epsilon.upper() < epsilon.renyi(), epsilon.toString());
      assertTrue(epsilon.lower() <= epsilon.upper(), epsilon.toString());
    }
  }

  /**
   * All six records of a person in one batch are rare, and plain to see when it happens: whoever
   * leaves that out finds a far smaller epsilon at a delta below its probability.
   */
  @Test
  void rareBatchesWithAllRecordsOfAUserCount() {
    MechanismSpec spec =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 0.3, 1, 1, 100, 1, 5e-13)
            .withUnit(ProtectedUnit.USER, 6);
    EpsilonBracket epsilon = Accountant.of(spec).epsilon(spec.delta());
    // At x = 6 the loss is 36 / (2 s^2) + ln q^6 = 172 with a standard deviation of 6 / s = 20.
    assertTrue(epsilon.upper() > 165 && epsilon.upper() < 180, epsilon::toString);
    assertTrue(epsilon.lower() > 165, epsilon::toString);
  }

  /** Where every record is in every batch, K records of a person are one of K times the norm. */
  @Test
  void allRecordsOfAUserInEveryBatch() {
    for (int records : new int[] {2, 5}) {
      MechanismSpec spec =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 12, 1, 100, 100, 9, 1e-6);
      EpsilonBracket people =
          Accountant.of(spec.withUnit(ProtectedUnit.USER, records)).epsilon(spec.delta());
      double noise = AnalyticGaussian.noiseMultiplier(people.upper(), spec.delta());
      assertEquals(12.0 / records / 3, noise, 1e-3 * noise, "T steps: sigma / (K sqrt T)");
    }
  }

  @Test
  void labelHistogramComposedWithTraining() throws IOException {
    for (JsonNode row : rows("histogram_plus_training")) {
      MechanismSpec spec = spec(NeighbouringRelation.ADD_REMOVE, row);
      double parameter = number(row, "histogram_parameter");
      PrivacyEvent histogram =
          row.get("histogram").asText().equals("gaussian")
              ? new Gaussian(parameter, 1)
              : new DiscreteLaplace(parameter, 1);
      Accountant account =
          Accountant.of(spec.relation(), List.of(histogram, new PoissonGaussian(spec)));
      assertBracket(row, account.epsilon(spec.delta()));
    }
  }

  @Test
  void cappedBatches() throws IOException {
    for (JsonNode row : rows("truncated_poisson_pessimistic")) {
      PrivacyEvent event =
          new TruncatedPoissonGaussian(
              number(row, "noise_multiplier"),
              number(row, "sampling_rate"),
              row.get("dataset_size").asLong(),
              row.get("max_batch").asLong(),
              row.get("steps").asLong());
      EpsilonBracket ours =
          Accountant.of(NeighbouringRelation.ADD_REMOVE, List.of(event))
              .epsilon(number(row, "delta"));
      double expected = number(row, "eps_upper");
      assertEquals(expected, ours.upper(), 5e-4 * expected, row::toString);
      assertEquals(0, ours.lower(), "no lower bound is known");
      assertTrue(ours.renyi() >= ours.upper() * (1 - 1e-3), () -> ours + " for " + row);
    }
  }

  @Test
  void gaussianInClosedForm() throws IOException {
    for (JsonNode row : rows("analytic_gaussian")) {
      double expected = number(row, "eps");
      double sigma = number(row, "sigma");
      double delta = number(row, "delta");
      assertEquals(expected, AnalyticGaussian.epsilon(1 / sigma, delta), 1e-9 * expected);
      assertEquals(sigma, AnalyticGaussian.noiseMultiplier(expected, delta), 1e-9 * sigma);
    }
  }

  @Test
  void renyiDivergence() throws IOException {
    for (JsonNode row : rows("rdp")) {
      double order = number(row, "order");
      SubsampledGaussian pair =
          new SubsampledGaussian(number(row, "sampling_rate"), number(row, "noise_multiplier"));
      double expected = number(row, "rdp");
      assertEquals(
          expected,
          RenyiMoments.of(pair, new double[] {order})[0] / (order - 1),
          1e-8 * expected,
          row::toString);
    }
  }

  @Test
  void mixturesOfGaussiansAsPublished() {
    PrivacyEvent first = new GaussianMixture(1, List.of(0.0, 1.0, 2.0), List.of(0.2, 0.6, 0.2), 3);
    PrivacyEvent second =
        new GaussianMixture(2, List.of(0.0, 2.0, 3.0), List.of(0.33, 0.34, 0.33), 2);
    PrivacyLoss loss = PrivacyLoss.of(NeighbouringRelation.ADD_REMOVE, List.of(first, second));
    PrivacyLoss.Interval ours = loss.epsilon(1e-6, 1e-6);
    assertTrue(
        ours.lower() <= 17.193115 + 1e-6 && ours.upper() >= 17.193115 - 1e-6, ours::toString);
    assertTrue(ours.upper() <= 17.193115 * (1 + 2e-5), ours::toString);
  }

  @Test
  void approximateDpAsPublished() {
    PrivacyLoss loss =
        PrivacyLoss.of(
            NeighbouringRelation.ADD_REMOVE,
            List.of(new ApproximateDp(1, 0.1, 1), new ApproximateDp(2, 0.2, 1)));
    // The largest loss lies exactly at 3 and is spread over the grid points beside it.
    double delta = loss.delta(3).upper();
    assertTrue(delta >= 0.28 && delta <= 0.281, () -> "delta " + delta);
  }
}
