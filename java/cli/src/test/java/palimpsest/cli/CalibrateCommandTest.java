package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.synth.TinySetting;

class CalibrateCommandTest {
  @TempDir private Path folder;

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

  /** A plan knows what a run knows: each of these changes what it says. */
  @ParameterizedTest
  @CsvSource({
    "--clip-rule quantile, sumNoiseMultiplier",
    "--label-noise 10, noiseMultiplier",
    "--batch 200, expectedBatch",
    "--learning-rate 0.001, learningRate",
    "--optimizer sgd --learning-rate 1, optimizer",
    "--method full, method",
    "--schedule constant, schedule",
    "--recompute, memoryBytes",
    "--workers 3, memoryBytes",
    "--memory 0.197, memoryBytes"
  })
  void aPlanKnowsWhatARunKnows(String options, String field) throws Exception {
    Path model = new TinySetting(folder).model();
    List<String> words =
        new ArrayList<>(
            List.of("calibrate", "--plan", "--epsilon", "8", "--size-bound", "6000", "--json"));
    words.addAll(List.of("--model", model.toString(), "--max-tokens", "12"));
    JsonNode plain = plan(words);
    words.addAll(List.of(options.split(" ")));
    assertNotEquals(plain.get(field), plan(words).get(field));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--clip-rule quantile",
        "--method full",
        "--memory 4",
        "--size-bound 9",
        "--rank 3"
      })
  void whatBelongsToAPlanIsRefusedWithoutOne(String options) {
    CommandLineRun run = calibrate("2", options.split(" "));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(options.split(" ")[0] + ": "), run.err());
  }

  @Test
  void noRunHasAnotherRelationThanAPlan() {
    CommandLineRun run =
        CommandLineRun.of(
            "calibrate",
            "--plan",
            "--epsilon",
            "8",
            "--size-bound",
            "60",
            "--relation",
            "replace-one");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertTrue(run.err().contains("--relation"), run.err());
  }

  private static JsonNode plan(List<String> words) throws Exception {
    CommandLineRun run = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return new ObjectMapper().readTree(run.out());
  }
}
