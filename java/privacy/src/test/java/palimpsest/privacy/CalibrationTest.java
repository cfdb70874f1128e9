package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.testing.Shared;

class CalibrationTest {
  @Test
  void theNoiseIsSafeAndWithinATenThousandthOfTheLeast() throws IOException {
    JsonNode extra =
        new ObjectMapper().readTree(Shared.file("golden/accounting_extra.json").toFile());
    for (JsonNode row : extra.get("calibration")) {
      double target = row.get("target_eps").asDouble();
      MechanismSpec unit =
          Settings.of(
              row.get("sampling_rate").asDouble(),
              1,
              row.get("steps").asInt(),
              row.get("delta").asDouble());
      MechanismSpec found = Calibration.calibrate(unit, target);
      assertTrue(
          Accountant.of(found).epsilon(unit.delta()).upper() <= target, () -> "unsafe: " + found);
      assertTrue(found.noiseMultiplier() >= row.get("sigma_lower").asDouble(), found::toString);
      assertTrue(
          found.noiseMultiplier() <= row.get("sigma_upper").asDouble() * (1 + 1.5e-4),
          () -> found + " against " + row);
    }
  }

  @Test
  void moreRecordsPerUserNeedMoreNoise() {
    MechanismSpec one = Settings.of(0.01, 1, 500, 1e-6);
    double last = 0;
    for (int records : new int[] {1, 2, 4, 50}) {
      MechanismSpec found = Calibration.calibrate(one.withUnit(ProtectedUnit.USER, records), 4);
      assertTrue(found.noiseMultiplier() > 1.1 * last, found::toString);
      assertTrue(Accountant.of(found).epsilon(1e-6).upper() <= 4);
      last = found.noiseMultiplier();
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, 101, Double.POSITIVE_INFINITY})
  void aTargetOutsideItsRangeIsRefused(double target) {
    MechanismSpec spec = Settings.of(0.1, 3, 10, 1e-6);
    assertThrows(IllegalArgumentException.class, () -> Calibration.calibrate(spec, target));
  }
}
