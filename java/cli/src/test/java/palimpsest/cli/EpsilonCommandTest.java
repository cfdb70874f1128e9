package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

class EpsilonCommandTest {
  private static CommandLineRun epsilon(String rate, String noise, String steps, String delta) {
    return CommandLineRun.of(
        "epsilon", "--json", "--rate", rate, "--noise", noise, "--steps", steps, "--delta", delta);
  }

  /** One step on every record is the Gaussian mechanism, whose exact epsilon is known. */
  @Test
  void theBracketHoldsTheEpsilonOfOneGaussianStep() throws IOException {
    // The root of Phi(1/2 - e) - exp(e) Phi(-1/2 - e) = 1e-5 (Balle and Wang 2018, theorem 8, sigma
    // 1).
    double exact = 4.3771780956812;
    CommandLineRun run = epsilon("1", "1", "1", "1e-5");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode result = new ObjectMapper().readTree(run.out());
    assertTrue(result.get("epsilon_lower_bound").asDouble() <= exact, run.out());
    assertTrue(result.get("epsilon").asDouble() >= exact, run.out());
    assertEquals(exact, result.get("epsilon").asDouble(), 1e-3);
    assertTrue(result.get("epsilon_renyi").asDouble() >= exact, run.out());
    assertEquals("add-remove", result.get("relation").asText());
  }

  @ParameterizedTest
  @CsvSource({
    "0,1,10,1e-5,--rate",
    "-0.1,1,10,1e-5,--rate",
    "1.1,1,10,1e-5,--rate",
    "NaN,1,10,1e-5,--rate",
    "0.1,0,10,1e-5,--noise",
    "0.1,-1,10,1e-5,--noise",
    "0.1,NaN,10,1e-5,--noise",
    "0.1,Infinity,10,1e-5,--noise",
    "0.1,1,0,1e-5,steps",
    "0.1,1,-5,1e-5,steps",
    "0.1,1,1.5,1e-5,--steps",
    "0.1,1,10,0,delta",
    "0.1,1,10,1,delta",
    "0.1,1,10,-1e-5,delta",
    "0.1,1,10,NaN,delta",
    "0.1,1,10,small,--delta",
  })
  void aNumberOutOfItsRangeIsBadInput(
      String rate, String noise, String steps, String delta, String named) {
    CommandLineRun run = epsilon(rate, noise, steps, delta);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertEquals("", run.out());
  }

  @Test
  void aMissingSettingIsBadInput() {
    CommandLineRun run = CommandLineRun.of("epsilon", "--rate", "0.1", "--noise", "1");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertTrue(run.err().contains("--steps"), run.err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "NaN", "-inf", "", "many"})
  void aTargetThatIsNoEpsilonIsRefused(String text) {
    assertThrows(TypeConversionException.class, () -> new EpsilonConverter().convert(text));
  }

  @Test
  void infinityAsksForNoPrivacy() {
    assertEquals(Double.POSITIVE_INFINITY, new EpsilonConverter().convert("inf"));
    assertEquals(8, new EpsilonConverter().convert("8"));
  }

  @Test
  void shownBoundsNeverPromiseMore() {
    assertEquals("1.2346", Numbers.upper(1.23451));
    assertEquals("1.2345", Numbers.lower(1.23459));
    assertEquals("inf", Numbers.upper(Double.POSITIVE_INFINITY));
    assertEquals("0", Numbers.lower(0));
  }
}
