package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import palimpsest.engine.model.Role;

class TuningSpecTest {
  private static TuningSpec on(Set<Role> targets) {
    return new TuningSpec(8, 16, targets, 2e-3, 1, 0.1, 24);
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
        List.copyOf(spec.targets()));
    assertEquals(on(new LinkedHashSet<>(given.reversed())).toString(), spec.toString());
  }

  @Test
  void onlyLinearLayersAreTuned() {
    assertThrows(IllegalArgumentException.class, () -> on(Set.of(Role.HEAD)));
  }
}
