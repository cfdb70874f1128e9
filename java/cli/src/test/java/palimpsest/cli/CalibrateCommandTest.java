package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CalibrateCommandTest {
  private static CommandLineRun calibrate(String epsilon, String... more) {
    return CommandLineRun.of(
        Stream.concat(
                Stream.of("calibrate", "--rate", "0.02", "--steps", "50", "--delta", "1e-5"),
                Stream.concat(Stream.of("--epsilon", epsilon), Stream.of(more)))
            .toArray(String[]::new));
  }

  @Test
  void theNoiseMeetsTheTargetAndTheShownFigureDoesToo() throws IOException {
    JsonNode exact = new ObjectMapper().readTree(calibrate("2", "--json").out());
    double epsilon = exact.get("epsilon").asDouble();
    assertTrue(epsilon <= 2 && epsilon > 1.99, exact.toString());
    String shown = calibrate("2").out().split(" ")[2];
    assertTrue(Double.parseDouble(shown) >= exact.get("noise_multiplier").asDouble(), shown);
    CommandLineRun back =
        CommandLineRun.of(
            "epsilon", "--rate", "0.02", "--steps", "50", "--delta", "1e-5", "--noise", shown,
            "--json");
    assertTrue(new ObjectMapper().readTree(back.out()).get("epsilon").asDouble() <= 2, back.out());
  }

  @Test
  void infinityIsARunWithoutNoiseAndSaysSo() throws IOException {
    JsonNode run = new ObjectMapper().readTree(calibrate("inf", "--json").out());
    assertEquals(0, run.get("noise_multiplier").asDouble());
    assertFalse(run.get("private").asBoolean());
    assertTrue(calibrate("inf").out().contains("NOT PRIVATE"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "NaN", "-inf", "", "much"})
  @Tag("R24")
  void aTargetThatIsNoEpsilonIsBadInput(String epsilon) {
    CommandLineRun run = calibrate(epsilon);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains("--epsilon"), run.err());
  }

  @Test
  void settingsThatAreMissingAreNamed() {
    CommandLineRun run = CommandLineRun.of("calibrate", "--epsilon", "2", "--rate", "0.1");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertTrue(run.err().contains("--steps"), run.err());
    CommandLineRun plan = CommandLineRun.of("calibrate", "--epsilon", "2", "--plan");
    assertEquals(ExitCode.BAD_INPUT, plan.exitCode());
    assertTrue(plan.err().contains("--size-bound"), plan.err());
  }

  @Test
  void aNumberTooLargeForADoubleDoesNotAskForNoPrivacy() {
    CommandLineRun run = calibrate("1e400");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertTrue(run.err().contains("too large"), run.err());
  }
}
