package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class AuditCommandTest {
  @Test
  void aSoundStepIsNotRefuted() throws IOException {
    CommandLineRun run =
        CommandLineRun.of(
            "audit", "--rate", "1", "--noise", "2", "--steps", "4", "--delta", "1e-5", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode found = new ObjectMapper().readTree(run.out());
    assertFalse(found.get("refuted").asBoolean());
    assertTrue(found.get("shown").asDouble() > 0.2 * found.get("claimed").asDouble(), run.out());
    assertTrue(found.get("shown_by_guessing").asDouble() < found.get("shown").asDouble());
  }

  @Test
  void whatCannotBeAuditedIsOneLine() {
    CommandLineRun run =
        CommandLineRun.of(
            "audit", "--rate", "0.5", "--noise", "0", "--steps", "4", "--delta", "1e-5");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertEquals(1, run.err().lines().count(), run.err());
  }
}
