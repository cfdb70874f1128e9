package palimpsest.synth.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.SplitMix64;

class StyleTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        " hi,  my card .  is it  safe ?;Hi, my card. Is it safe?",
        "a umbrella and a iron, a used kettle;An umbrella and an iron, a used kettle",
        "it came broken, . thanks;It came broken. Thanks",
        "what now?. never;What now? Never",
        "a one-off;A one-off",
        "it cost $6.50 today;It cost $6.50 today"
      })
  void tidies(String raw, String tidy) {
    assertEquals(tidy, Style.tidy(raw));
  }

  @Test
  void registersVaryAndNothingIsLost() {
    String plain = "I have never seen the kettle again, please send it before Monday.";
    Set<String> seen = new HashSet<>();
    SplitMix64 random = new SplitMix64(2);
    for (int i = 0; i < 2000; i++) {
      String rough = Style.roughen(plain, random);
      seen.add(rough);
      assertEquals(plain.split(" ").length, rough.split(" ").length + (contracted(rough) ? 1 : 0));
    }
    assertTrue(seen.contains(plain));
    assertTrue(seen.contains(plain.toLowerCase()));
    assertTrue(seen.contains("I've never seen the kettle again, please send it before Monday."));
    assertTrue(seen.contains("i have never seen the kettle again, pls send it b4 monday."));
    assertTrue(seen.stream().anyMatch(s -> s.endsWith("!!!")));
    assertTrue(
        seen.stream()
            .anyMatch(s ->
                s.contains("ketlte")
                    || s.contains("ekttle")
                    || s.contains("kettel")
                    || s.contains("ktetle")));
    assertFalse(seen.contains(""));
  }

  private static boolean contracted(String rough) {
    return !rough.toLowerCase().replaceAll("[^a-z ]", "").startsWith("i have");
  }
}
