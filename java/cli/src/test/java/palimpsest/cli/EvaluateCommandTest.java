package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluateCommandTest {
  private static final String RIGHT = "{\"label\":\"fruit\",\"text\":\"a ripe apple\"}\n";
  private static final String WRONG = "{\"label\":\"tool\",\"text\":\"the apple\"}\n";
  @TempDir private Path folder;
  private String real;

  @BeforeEach
  void writeRealRecords() throws IOException {
    real = file("real.csv", "body,kind\n" + "ripe apple,fruit\nheavy hammer,tool\n".repeat(10));
  }

  private String file(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content).toString();
  }

  private CommandLineRun evaluate(String synthetic, String... more) throws IOException {
    String[] first = {
      "evaluate", file("s.jsonl", synthetic), "--real", real, "--text", "body", "--label", "kind"
    };
    String[] all = new String[first.length + more.length];
    System.arraycopy(first, 0, all, 0, first.length);
    System.arraycopy(more, 0, all, first.length, more.length);
    return CommandLineRun.of(all);
  }

  @Test
  void countsHowOftenTheJudgeAgrees() throws IOException {
    String test = file("test.csv", "body,kind\na hammer,tool\nan apple,fruit\n");
    CommandLineRun run = evaluate(RIGHT.repeat(3) + WRONG, "--test", test, "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode fields = new ObjectMapper().readTree(run.out());
    assertEquals(0.75, fields.at("/labelAgreement/value").asDouble());
    assertTrue(fields.at("/labelAgreement/lower").asDouble() < 0.75);
    assertEquals(0, fields.at("/labelAgreementByLabel/tool/value").asDouble());
    assertEquals(1, fields.at("/trainedOnReal/value").asDouble());
    assertEquals(0.5, fields.at("/trainedOnSynthetic/value").asDouble());
    assertEquals(0.5, fields.at("/diversity/duplicateShare").asDouble());
    assertEquals(4, fields.at("/realDiversity/texts").asInt());
  }

  @Test
  void saysThatTheFiguresArePrivate() throws IOException {
    CommandLineRun run = evaluate(RIGHT);
    assertTrue(run.out().startsWith("For the owner's eyes"), run.out());
    assertTrue(run.out().contains("label agreement"), run.out());
    assertFalse(run.out().contains("hammer"), run.out());
    JsonNode fields = new ObjectMapper().readTree(evaluate(RIGHT, "--json").out());
    assertEquals("private", fields.fieldNames().next(), "programs are told first as well");
    assertTrue(fields.get("private").asBoolean());
    assertTrue(fields.get("note").asText().contains("no epsilon covers"));
  }

  @Test
  void whatCannotBeJudgedIsBadInput() throws IOException {
    assertBadInput(evaluate("{\"label\":\"unheard\",\"text\":\"x\"}\n"), "s.jsonl");
    assertBadInput(evaluate("{\"text\":\"x\"}\n"), "s.jsonl");
    assertBadInput(
        CommandLineRun.of("evaluate", real, "--real", real, "--text", "body"), "--label");
  }

  private static void assertBadInput(CommandLineRun run, String named) {
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
  }
}
