package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AuditStepCommandTest {
  @Test
  void aSoundStepIsNotRefuted() throws IOException {
    CommandLineRun run =
        CommandLineRun.of(
            "audit", "step", "--rate", "1", "--noise", "2", "--steps", "4", "--delta", "1e-5",
            "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode found = new ObjectMapper().readTree(run.out());
    assertFalse(found.get("refuted").asBoolean());
    assertTrue(found.get("shown").asDouble() > 0.2 * found.get("claimed").asDouble(), run.out());
    assertTrue(found.get("shown_by_guessing").asDouble() < found.get("shown").asDouble());
  }

  @ParameterizedTest
  @CsvSource({
    "--noise,0",
    "--noise,NaN",
    "--canaries,10",
    "--canaries,200000",
    "--significance,1",
    "--relation,replace-one",
    "--max-records,2"
  })
  void whatCannotBeAuditedIsOneLine(String option, String value) {
    List<String> words = new ArrayList<>(List.of("audit", "step", "--quiet"));
    words.addAll(List.of("--rate", "0.5", "--steps", "4", "--delta", "1e-5"));
    if (!option.equals("--noise")) {
      words.addAll(List.of("--noise", "1"));
    }
    words.addAll(List.of(option, value));
    CommandLineRun run = CommandLineRun.of(words.toArray(String[]::new));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
  }

  @Test
  void whichAttackMustBeSaid() {
    CommandLineRun run = CommandLineRun.of("audit");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertTrue(run.err().contains("say step, text or curve"), run.err());
  }
}
