package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import palimpsest.synth.evaluate.SecretScan.Hit;

class SecretScanTest {
  private static final List<String> SECRETS =
      List.of("LQ-12345678", "Tamsin Vexford", "200-555-0199");

  @Test
  void findsSecretsHoweverTheyAreSpelt() {
    SecretScan scan =
        SecretScan.of(
            SECRETS,
            List.of(
                "my account LQ-12345678 is empty",
                "nothing here, LQ-1234567",
                "call tamsin  vexford on (200) 555 0199",
                "Tamsin Vexford, LQ 1234 5678"));
    assertEquals(
        List.of(
            new Hit(0, 0, true),
            new Hit(1, 2, false),
            new Hit(2, 2, false),
            new Hit(0, 3, false),
            new Hit(1, 3, true)),
        scan.hits());
    assertEquals(new Proportion(3, 3), scan.leaked());
  }

  @Test
  void nothingFound() {
    SecretScan scan = SecretScan.of(SECRETS, List.of("Tamsin and Vexford", "LQ-87654321", ""));
    assertEquals(List.of(), scan.hits());
    assertEquals(new Proportion(0, 3), scan.leaked());
  }

  @Test
  void aSecretTooShortToMeanAnythingIsRefusedWithoutSayingIt() {
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class, () -> SecretScan.of(List.of("x-7?"), List.of()));
    assertFalse(thrown.getMessage().contains("x-7"));
  }
}
