package palimpsest.privacy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import palimpsest.testing.Shared;

/** Reference figures of privacy accounting, and runs with the settings they name. */
final class Golden {
  private Golden() {}

  /** A file of the reference figures; the calling test is skipped where it is absent. */
  static JsonNode file(String name) {
    try {
      return new ObjectMapper().readTree(Shared.file("golden/" + name).toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** An add/remove run at a rate that is a multiple of 1e-6. */
  static MechanismSpec run(double rate, double noise, int steps, double delta) {
    return run(NeighbouringRelation.ADD_REMOVE, rate, noise, steps, delta);
  }

  /** A run at a rate that is a multiple of 1e-6. */
  static MechanismSpec run(
      NeighbouringRelation relation, double rate, double noise, int steps, double delta) {
    return MechanismSpec.of(relation, noise, 1, Math.round(rate * 1e6), 1_000_000, steps, delta);
  }

  /** The loss of one run. */
  static PrivacyLoss loss(MechanismSpec spec) {
    return PrivacyLoss.of(spec.relation(), List.of(new PrivacyEvent.PoissonGaussian(spec)));
  }

  /** The settings of a row whose fields have the long names. */
  static MechanismSpec run(NeighbouringRelation relation, JsonNode row) {
    return run(
        relation,
        row.get("sampling_rate").asDouble(),
        row.get("noise_multiplier").asDouble(),
        row.get("steps").asInt(),
        row.get("delta").asDouble());
  }
}
