package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TuningMethod;

class TuningSpecTest {
  private static TuningSpec on(Set<Role> targets) {
    return new TuningSpec(new TuningMethod.Lora(8, 16, targets), Optimizers.adamW(2e-3), 24);
  }

  /**
   * A set that java.util makes has another order in every process; a resumed run compares words.
   */
  @Test
  void theWordsOfASpecDoNotDependOnTheProcess() {
    List<Role> given = List.of(Role.DOWN, Role.VALUE, Role.UP, Role.QUERY, Role.GATE);
    TuningSpec spec = on(new LinkedHashSet<>(given));
    assertEquals(
        List.of(Role.QUERY, Role.VALUE, Role.GATE, Role.UP, Role.DOWN),
        List.copyOf(((TuningMethod.Lora) spec.method()).targets()));
    assertEquals(on(new LinkedHashSet<>(given.reversed())).toString(), spec.toString());
  }

  @Test
  void adaptersOfATrainingRunAreSmall() {
    for (TuningMethod method :
        List.of(TuningMethod.Lora.of(257), new TuningMethod.Lora(8, 1e5, Set.of()))) {
      assertThrows(
          IllegalArgumentException.class, () -> new TuningSpec(method, Optimizers.adamW(2e-3), 24));
    }
  }

  @Test
  void onlyLinearLayersAreTuned() {
    assertThrows(IllegalArgumentException.class, () -> on(Set.of(Role.HEAD)));
  }
}
