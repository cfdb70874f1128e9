package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckCommandTest {
  @TempDir private Path folder;

  private String file(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content).toString();
  }

  @Test
  void aSoundFileHasNoProblem() throws IOException {
    String file = file("a.csv", "body,queue\nhello,billing\nbye,sales\n");
    CommandLineRun run = CommandLineRun.of("check", file, "--text", "body", "--label", "queue");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("labels: billing, sales"), run.out());
    assertTrue(run.out().contains("usable records: 2\n"), run.out());
    assertTrue(run.out().contains("no problem found"), run.out());
    assertTrue(run.out().startsWith("For the owner's eyes"), run.out());
  }

  @Test
  void badRowsAreNamedByLineAndNeverQuoted() throws IOException {
    String file = file("a.csv", "body,queue\nhello,billing\n,billing\nJane Doe has flu,Unheard\n");
    CommandLineRun run =
        CommandLineRun.of(
            "check", file, "--text", "body", "--label", "queue", "--labels", "billing,sales");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().contains("line 3: no text"), run.out());
    assertTrue(run.out().contains("usable records: 1\n"), run.out());
    assertTrue(run.out().contains("line 4: its label is not on the list"), run.out());
    assertFalse(run.out().contains("Jane") || run.out().contains("Unheard"), run.out());
  }

  @Test
  void programsGetLinesAndCounts() throws IOException {
    String file = file("a.jsonl", "{\"t\":\"x\"}\nnonsense\n" + "{\"u\":1}\n".repeat(30));
    JsonNode some = json(CommandLineRun.of("check", file, "--text", "t", "--json"));
    assertEquals(1, some.get("usableRecords").asInt());
    assertEquals(20, some.get("problems").size());
    assertEquals(2, some.get("problems").get(0).get("line").asInt());
    assertTrue(some.get("problems").get(0).get("dropped").asBoolean());
    assertEquals(30, some.get("counts").get("a column is missing or not text: dropped").asInt());
    JsonNode all = json(CommandLineRun.of("check", file, "--text", "t", "--json", "--all"));
    assertEquals(31, all.get("problems").size());
  }

  @Test
  void whatIsDroppedComesFirst() throws IOException {
    String file = file("a.csv", "t\n" + "\"two\nlines\"\n".repeat(30) + "\"a\" b\n");
    CommandLineRun run = CommandLineRun.of("check", file, "--text", "t");
    assertTrue(run.out().contains("\nline 62: text after a closing quote"), run.out());
  }

  private static JsonNode json(CommandLineRun run) throws IOException {
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return new ObjectMapper().readTree(run.out());
  }

  @Test
  void aFileOfAnotherKindGetsAHint() throws IOException {
    byte[] wide = "{\"t\":\"x\"}\n".getBytes(StandardCharsets.UTF_16);
    String file = Files.write(folder.resolve("a.jsonl"), wide).toString();
    CommandLineRun run = CommandLineRun.of("check", file, "--text", "t");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.out().startsWith(file + ": is UTF-16; save it as UTF-8\n"), run.out());
    JsonNode fields = json(CommandLineRun.of("check", file, "--text", "t", "--json"));
    assertTrue(fields.get("hint").asText().contains("UTF-16"));
    assertBadInput(CommandLineRun.of("check", file, "--text", "t", "--label", "l"), "UTF-16");
  }

  @Test
  void usersOverTheirLimitAreCounted() throws IOException {
    String file = file("a.tsv", "who\twhat\nann\tone\nann\ttwo\nbob\tthree\n");
    CommandLineRun run = CommandLineRun.of("check", file, "--text", "what", "--user", "who");
    assertTrue(run.out().contains("usable records: 2\n"), run.out());
    assertTrue(run.out().contains("line 3: its user already has"), run.out());
  }

  @Test
  void aMissingQuoteThatJoinsTwoPeopleIsShown() throws IOException {
    String joined = "ann,\"hello there\nbob,\"my secret is 42\"\n";
    String file = file("a.csv", "who,what\n" + joined + "cy,\"one\ntwo\"\n");
    CommandLineRun run = CommandLineRun.of("check", file, "--text", "what", "--user", "who");
    assertTrue(run.out().contains("usable records: 1\n"), run.out());
    assertTrue(run.out().contains("line 2: text after a closing quote: dropped"), run.out());
    assertTrue(run.out().contains("line 4: a quoted field of several lines: used as"), run.out());
    assertFalse(run.out().contains("secret") || run.out().contains("no problem"), run.out());
  }

  @Test
  void labelsMayComeFromAFile() throws IOException {
    String labels = file("labels.txt", "billing\tmoney questions\nsales\n");
    String file = file("a.csv", "body,queue\nhello,billing\n");
    CommandLineRun run =
        CommandLineRun.of("check", file, "--text", "body", "--label", "queue", "--labels", labels);
    assertTrue(run.out().contains("labels: billing, sales"), run.out());
  }

  @Test
  void aFileThatCannotBeUsedIsBadInput() throws IOException {
    String missing = folder.resolve("none.csv").toString();
    assertBadInput(CommandLineRun.of("check", missing, "--text", "body"), "none.csv");
    assertBadInput(CommandLineRun.of("check", file("e.csv", ""), "--text", "body"), "e.csv");
    assertBadInput(CommandLineRun.of("check", file("a.csv", "x\n1\n"), "--text", "body"), "body");
    assertBadInput(CommandLineRun.of("check", file("a.bin", "x\n1\n"), "--text", "body"), "format");
    assertBadInput(CommandLineRun.of("check", file("a.csv", "x\n1\n")), "--text");
  }

  private static void assertBadInput(CommandLineRun run, String named) {
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertEquals("", run.out());
  }
}
