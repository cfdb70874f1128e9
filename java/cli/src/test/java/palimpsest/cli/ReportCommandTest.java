package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.TinySetting;
import palimpsest.synth.report.Block;
import palimpsest.synth.report.HtmlReport;

/** A page about the release of a tiny model. */
class ReportCommandTest {
  @TempDir private Path folder;
  private Path release;

  @BeforeEach
  void setUp() throws IOException {
    release = folder.resolve("release");
    synthesize("8");
  }

  private void synthesize(String epsilon, String... more) throws IOException {
    TinySetting setting = new TinySetting(Files.createTempDirectory(folder, "setting"));
    List<String> words =
        new ArrayList<>(
            List.of(
                "synthesize",
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
                "--state",
                setting.state().toString(),
                "--out",
                release.toString()));
    words.addAll(
        List.of(
            "--size-bound",
            "100",
            "--epsilon",
            epsilon,
            "--max-tokens",
            "64",
            "--batch",
            "10",
            "--steps",
            "30",
            "--kind",
            "note",
            "--records",
            "12",
            "--temperature",
            "3"));
    words.addAll(List.of(more));
    CommandLineRun run = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
  }

  private static List<Block> blocks(HtmlReport report) {
    return report.sections().stream().flatMap(section -> section.blocks().stream()).toList();
  }

  @Test
  void showsTheStatementAndTheRecords() throws IOException {
    Path page = folder.resolve("page.html");
    CommandLineRun run = CommandLineRun.of("report", release.toString(), "--out", page.toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    String html = Files.readString(page);
    assertTrue(html.contains("Differential privacy with epsilon 8 and delta"), html);
    assertTrue(html.contains("For release"), html);
    for (String line : Files.readAllLines(release.resolve("synthetic.jsonl")).subList(0, 2)) {
      JsonNode record = new ObjectMapper().readTree(line);
      assertTrue(html.contains(record.get("label").asText()), line);
    }
    assertFalse(html.contains(folder.toString()), "no path of the owner's machine");
    CommandLineRun again =
        CommandLineRun.of("report", release.toString(), "--out", page.toString());
    assertEquals(ExitCode.BAD_INPUT, again.exitCode());
    assertEquals(html, Files.readString(page));
  }

  /** The accountant says again what the statement says. */
  @Test
  void theCurveEndsAtTheStatedEpsilon() throws IOException {
    JsonNode privacy = new ObjectMapper().readTree(release.resolve("privacy.json").toFile());
    Block.Curve curve =
        blocks(ReleaseReport.of(release)).stream()
            .filter(Block.Curve.class::isInstance)
            .map(Block.Curve.class::cast)
            .findFirst()
            .orElseThrow();
    assertEquals(24, curve.points().size());
    assertEquals(30, curve.points().getLast().x());
    assertEquals(privacy.get("epsilon").asDouble(), curve.points().getLast().y());
    for (int i = 1; i < curve.points().size(); i++) {
      assertTrue(curve.points().get(i - 1).y() < curve.points().get(i).y());
    }
  }

  @Test
  void releasedCountsArePartOfTheCurve() throws IOException {
    release = folder.resolve("counted");
    synthesize("8", "--label-noise", "10");
    theCurveEndsAtTheStatedEpsilon();
  }

  @Test
  void whatIsNotPrivateSaysSoAndHasNoCurve() throws IOException {
    release = folder.resolve("open");
    synthesize("inf");
    HtmlReport report = ReleaseReport.of(release);
    assertTrue(report.statement().getFirst().startsWith("NON-PRIVATE"), report.toString());
    assertTrue(blocks(report).stream().noneMatch(Block.Curve.class::isInstance));
  }

  @ParameterizedTest
  @CsvSource({"noiseMultiplier,x", "steps,", "unit,5", "relation,near", "samplingThreshold,0x"})
  void aStatementThatMakesNoSenseIsBadInput(String field, String value) throws IOException {
    Path file = release.resolve("privacy.json");
    ObjectNode privacy = (ObjectNode) new ObjectMapper().readTree(file.toFile());
    privacy.remove(field);
    if (value != null) {
      privacy.put(field, value);
    }
    Files.writeString(file, privacy.toString());
    Path page = folder.resolve("page.html");
    CommandLineRun run = CommandLineRun.of("report", release.toString(), "--out", page.toString());
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertFalse(Files.exists(page));
  }

  @Test
  void aFolderThatIsNoReleaseIsBadInput() {
    CommandLineRun run = CommandLineRun.of("report", folder.toString());
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
  }
}
