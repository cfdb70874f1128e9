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

/** The attack on the texts, from the command line on a tiny model. */
class AuditTextCommandTest {
  @TempDir private Path folder;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
  }

  /** A command that works, but for its own value of {@code option}, and further words. */
  private CommandLineRun audit(String option, String... more) {
    List<String> words = new ArrayList<>(List.of("audit", "text", "--quiet"));
    String[][] own = {
      {"--data", setting.data().toString()},
      {"--text", "text"},
      {"--label", "label"},
      {"--labels", "red,blue"},
      {"--model", setting.model().toString()},
      {"--size-bound", "100"},
      {"--epsilon", "8"},
      {"--max-tokens", "64"},
      {"--batch", "10"},
      {"--steps", "3"},
      {"--rank", "2"},
      {"--kind", "note"},
      {"--records", "20"},
      {"--canaries", "60"}
    };
    for (String[] pair : own) {
      if (!pair[0].equals(option)) {
        words.addAll(List.of(pair));
      }
    }
    words.addAll(List.of(more));
    return CommandLineRun.of(words.toArray(String[]::new));
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.toList();
    }
  }

  @Test
  void saysFirstThatTheFiguresArePrivateAndKeepsNothing() throws IOException {
    List<Path> before = files();
    CommandLineRun run = audit("");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("For the owner's eyes"), run.out());
    assertTrue(run.out().contains("epsilon of a record is at most "), run.out());
    assertTrue(run.out().contains("% of the time; a coin 50 %"), run.out());
    assertTrue(run.out().contains("Nothing against the claim"), run.out());
    assertFalse(run.out().contains("note number"), "no text of a record");
    assertEquals(before, files());
  }

  @Test
  void programsAreToldTheSame() throws IOException {
    CommandLineRun run = audit("--epsilon", "--epsilon", "inf", "--repeats", "3", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode found = new ObjectMapper().readTree(run.out());
    assertEquals("private", found.fieldNames().next());
    assertTrue(found.get("private").asBoolean());
    assertEquals("infinity", found.get("claimed").asText());
    assertEquals(3, found.get("repeats").asInt());
    assertEquals(60, found.get("canaries").asInt());
    assertFalse(found.get("refuted").asBoolean());
    for (String share : List.of("auc", "guessedRight")) {
      double value = found.at("/" + share + "/value").asDouble();
      assertTrue(found.at("/" + share + "/lower").asDouble() < value, run.out());
      assertTrue(found.at("/" + share + "/upper").asDouble() > value, run.out());
    }
  }

  @Test
  void severalCopiesAreComparedAsSuch() {
    CommandLineRun run = audit("", "--repeats", "2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("epsilon of 2 records is at most "), run.out());
    assertTrue(run.out().contains("nothing is refuted"), run.out());
  }

  /** The run is the one that synthesize would make, with whatever it releases. */
  @Test
  void labelCountsAreReleasedAndClaimedWithTheRest() {
    CommandLineRun run = audit("", "--label-noise", "5", "--repeats", "2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("epsilon of 2 records is at most "), run.out());
  }

  @ParameterizedTest
  @CsvSource({
    "--canaries,10,canaries",
    "--canaries,many,--canaries",
    "--repeats,0,repeats",
    "--repeats,1000,repeats",
    "--significance,1,significance",
    "--records,0,--records",
    "--max-tokens,40,a canary takes",
    "--epsilon,0,--epsilon",
    "--data,missing.csv,missing.csv",
    "--labels,missing.tsv,missing.tsv",
    "--model,nowhere,nowhere",
    "--size-bound,0,size bound"
  })
  void whatCannotBeAuditedIsOneLine(String option, String value, String named) throws IOException {
    List<Path> before = files();
    CommandLineRun run = audit(option, option, value);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertEquals("", run.out());
    assertEquals(before, files());
  }
}
