package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import palimpsest.testing.Shared;

/**
 * Epsilon against guaranteed brackets that were computed independently, add/remove, 160 settings.
 */
class GoldenAccountingTest {
  private static final int ROWS = 160;

  @Test
  void epsilonLiesInEveryGuaranteedBracket() throws IOException {
    JsonNode table = new ObjectMapper().readTree(Shared.file("golden/accounting.json").toFile());
    double[] orders = orders(table.get("rdp_orders"));
    List<String> wrong = new ArrayList<>();
    int unsafe = 0;
    int rows = 0;
    for (JsonNode row : table.get("rows")) {
      MechanismSpec spec =
          Settings.of(
              row.get("sampling_rate").asDouble(),
              row.get("noise_multiplier").asDouble(),
              row.get("steps").asInt(),
              row.get("delta").asDouble());
      EpsilonBracket ours = Accountant.of(spec).epsilon(spec.delta());
      double lower = row.get("eps_lower").asDouble();
      double upper = row.get("eps_upper").asDouble();
      boolean fits =
          ours.upper() >= lower
              && ours.upper() <= upper * (1 + 2e-4) + 1e-7
              && ours.lower() <= upper
              && ours.lower() >= lower * (1 - 2e-4) - 1e-7
              && ours.renyi() >= lower;
      if (!fits) {
        wrong.add(spec + ": " + ours + " against " + lower + " .. " + upper);
      }
      double renyi =
          RenyiAccountant.of(
                  spec.relation(), List.of(new PrivacyEvent.PoissonGaussian(spec)), orders)
              .epsilon(spec.delta());
      assertEquals(row.get("rdp_eps").asDouble(), renyi, 1e-6 * renyi, "Renyi: " + spec);
      unsafe += ours.upper() <= row.get("gdp_clt_eps_UNSAFE").asDouble() ? 1 : 0;
      rows++;
    }
    assertEquals(List.of(), wrong);
    assertEquals(ROWS, rows);
    // The central limit is below the truth almost everywhere; an accountant that used it would
    // agree everywhere.
    assertTrue(
        unsafe < ROWS / 2, "epsilon at or below the central-limit estimate in " + unsafe + " rows");
  }

  private static double[] orders(JsonNode array) {
    double[] orders = new double[array.size()];
    for (int i = 0; i < orders.length; i++) {
      orders[i] = array.get(i).asDouble();
    }
    return orders;
  }
}
