package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.TinySetting;

/** Learning seen from inside, from the command line on a tiny model. */
class AuditCurveCommandTest {
  @TempDir private Path folder;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = TinySetting.learner(folder);
  }

  private CommandLineRun curve(String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "audit",
                "curve",
                "--quiet",
                "--data",
                setting.data().toString(),
                "--text",
                "text",
                "--label",
                "label",
                "--labels",
                "red,blue",
                "--model",
                setting.model().toString(),
                "--size-bound",
                "100",
                "--max-tokens",
                "64",
                "--batch",
                "32",
                "--kind",
                "note"));
    words.addAll(List.of(more));
    return CommandLineRun.of(words.toArray(String[]::new));
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.toList();
    }
  }

  @Test
  void aRunThatLearnsIsSeenToAndNothingIsKept() throws IOException {
    List<Path> before = files();
    CommandLineRun run =
        curve(
            "--held-out",
            setting.data().toString(),
            "--epsilon",
            "inf",
            "--steps",
            "41",
            "--every",
            "20",
            "--learning-rate",
            "0.02",
            "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode found = new ObjectMapper().readTree(run.out());
    assertEquals("private", found.fieldNames().next());
    JsonNode points = found.get("points");
    assertEquals(4, points.size(), run.out());
    for (int i = 0; i < 4; i++) {
      assertEquals(new int[] {0, 20, 40, 41}[i], points.get(i).get("step").asInt());
    }
    double start = points.get(0).get("loss").asDouble();
    double end = points.get(3).get("loss").asDouble();
    assertTrue(start > 0 && end < 0.9 * start, run.out());
    assertEquals(before, files());
  }

  /** The loss before the first step is that of the base model, whatever is trained how. */
  @Test
  void allWaysOfTuningStartFromTheBaseModel() throws IOException {
    List<Double> starts = new ArrayList<>();
    for (String method : List.of("lora", "bias", "full")) {
      CommandLineRun run =
          curve(
              "--held-out",
              setting.data().toString(),
              "--epsilon",
              "8",
              "--steps",
              "2",
              "--method",
              method,
              "--json");
      assertEquals(ExitCode.DONE, run.exitCode(), run.err());
      starts.add(
          new ObjectMapper().readTree(run.out()).get("points").get(0).get("loss").asDouble());
    }
    assertEquals(starts.get(0), starts.get(1));
    assertEquals(starts.get(0), starts.get(2));
  }

  @Test
  void saysFirstThatTheFiguresArePrivate() {
    CommandLineRun run =
        curve("--held-out", setting.data().toString(), "--epsilon", "8", "--steps", "2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("For the owner's eyes"), run.out());
    assertFalse(run.out().contains("note number"), "no text of a record");
  }

  @ParameterizedTest
  @CsvSource({"missing.csv, 1, missing.csv", "empty.csv, 1, empty.csv", "data, 0, every"})
  void badInputIsOneLine(String heldOut, String every, String named) throws IOException {
    Files.writeString(folder.resolve("empty.csv"), "label,text\n");
    Path file = heldOut.equals("data") ? setting.data() : folder.resolve(heldOut);
    CommandLineRun run =
        curve("--held-out", file.toString(), "--epsilon", "8", "--steps", "2", "--every", every);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
  }
}
