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
      "evaluate",
      file("s.jsonl", synthetic),
      "--real",
      real,
      "--text",
      "body",
      "--label",
      "kind",
      "--quick"
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
    assertEquals("real", fields.at("/classifiers/0/trainedOn").asText());
    assertEquals(1, fields.at("/classifiers/0/accuracy/value").asDouble());
    assertEquals("synthetic", fields.at("/classifiers/1/trainedOn").asText());
    assertEquals(0.5, fields.at("/classifiers/1/accuracy/value").asDouble());
    assertEquals(2, fields.at("/classifiers").size());
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

  private static String sentence(int number) {
    StringBuilder words = new StringBuilder();
    for (int i = 0; i < 60; i++) {
      words.append(i == 0 ? "" : " ").append("w").append(number).append("x").append(i);
    }
    return words.toString();
  }

  /** Trained on the private file where it is given, and tested on what was held out. */
  @Test
  void nothingIsTestedOnWhatItWasTrainedOn() throws IOException {
    String tuned = file("tuned.csv", "body,kind\nan apple,fruit\na hammer,tool\n");
    JsonNode fields =
        new ObjectMapper().readTree(evaluate(RIGHT, "--tuned-on", tuned, "--json").out());
    assertEquals(20, fields.get("testRecords").asInt());
    assertEquals(2, fields.at("/classifiers/0/records").asInt());
    assertEquals(1, fields.at("/classifiers/1/records").asInt());
    JsonNode alone = new ObjectMapper().readTree(evaluate(RIGHT, "--json").out());
    assertFalse(alone.has("classifiers"), "the judge's own training records test nothing");
  }

  /** What the base model had read of the private file. */
  @Test
  void whatTheBaseModelKnewIsCounted() throws IOException {
    String tuned =
        file("tuned.csv", "body,kind\n" + sentence(1) + ",fruit\n" + sentence(2) + ",tool\n");
    String base =
        file("base.txt", "An article.\n</doc>\nIt says " + sentence(2) + " too.\n</doc>\n");
    CommandLineRun run =
        evaluate(
            RIGHT, "--tuned-on", tuned, "--base-text", base, "--separator", "</doc>", "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode known = new ObjectMapper().readTree(run.out()).get("knownToTheBaseModel");
    assertEquals(0.5, known.at("/withLongRun/value").asDouble());
    assertEquals(60, known.get("longestRun").asInt());
    assertBadInput(evaluate(RIGHT, "--base-text", base), "--tuned-on");
  }

  /** Before anything is trained, and one line. */
  @Test
  void modelsThatAreNotHereAreSaidFirst() throws IOException {
    for (String option : new String[] {"--encoder", "--under"}) {
      String[] words = {
        "evaluate",
        file("s.jsonl", RIGHT.repeat(60)),
        "--real",
        real,
        "--test",
        real,
        "--text",
        "body",
        "--label",
        "kind",
        option,
        "no-such-model"
      };
      CommandLineRun run = CommandLineRun.of(words);
      assertBadInput(run, "no-such-model");
      assertEquals("", run.out());
    }
    assertBadInput(evaluate(RIGHT, "--under", "smollm2-135m"), "--quick");
  }

  /** The page shows the command without the folders of this machine, and else as it was given. */
  @Test
  void thePageHasTheCommand() throws IOException {
    String tuned = file("tuned.csv", "body,kind\nan apple,fruit\n");
    String one = file("one.txt", "a</doc>\n");
    Path page = folder.resolve("command.html");
    CommandLineRun run =
        evaluate(
            RIGHT,
            "--tuned-on",
            tuned,
            "--base-text",
            one + "," + file("two.txt", "b\n"),
            "--separator=</doc>",
            "--report",
            page.toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    String html = Files.readString(page);
    assertTrue(
        html.contains(
            "--tuned-on tuned.csv --base-text one.txt,two.txt --separator=&lt;/doc&gt; --report command.html"),
        html);
    assertFalse(html.contains(folder.toString()), html);
  }

  /** Of three texts one is a private record, one has most of one in it, and one is its own. */
  @Test
  void whatIsCopiedFromThePrivateFileIsCounted() throws IOException {
    String tuned =
        file("tuned.csv", "body,kind\n" + sentence(1) + ",fruit\n" + sentence(2) + ",tool\n");
    String made = "";
    for (String text :
        new String[] {sentence(1), "so " + sentence(2).substring(0, 200), "a ripe apple"}) {
      made += "{\"label\":\"fruit\",\"text\":\"" + text + "\"}\n";
    }
    CommandLineRun run = evaluate(made, "--tuned-on", tuned, "--json");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    JsonNode copied = new ObjectMapper().readTree(run.out()).get("copied");
    assertEquals(1 / 3.0, copied.at("/exact/value").asDouble());
    assertEquals(60, copied.get("longestRun").asInt());
    assertEquals(1 / 3.0, copied.at("/withLongRun/value").asDouble());
    JsonNode byReal = new ObjectMapper().readTree(run.out()).get("copiedByReal");
    assertEquals(0, byReal.at("/exact/value").asDouble());
    assertTrue(evaluate(made, "--tuned-on", tuned).out().contains("1 equal, 1 nearly"));
  }

  /** The page is the owner's, so it says so and never lies in a release. */
  @Test
  void thePageIsMarkedInternalAndStaysOutOfAReleaseFolder() throws IOException {
    Path page = folder.resolve("page.html");
    String test = file("test.csv", "body,kind\na hammer,tool\nan apple,fruit\n");
    CommandLineRun run =
        evaluate(RIGHT.repeat(3) + WRONG, "--test", test, "--report", page.toString());
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    String html = Files.readString(page);
    assertTrue(html.contains("class=\"internal\""), html);
    assertTrue(html.contains("For the owner&#39;s eyes"), html);
    assertTrue(html.contains("naive Bayes, synthetic records"), html);
    assertTrue(html.contains("palimpsest evaluate s.jsonl --real real.csv --text body"), html);
    assertTrue(html.contains("real.csv, SHA-256 "), html);
    assertFalse(html.contains(folder.toString()), "no path of the owner's machine");
    CommandLineRun again = evaluate(RIGHT, "--report", page.toString());
    assertEquals(ExitCode.BAD_INPUT, again.exitCode());
    Path release = Files.createDirectory(folder.resolve("release"));
    Files.writeString(release.resolve("privacy.json"), "{}");
    Files.writeString(release.resolve("STATEMENT.txt"), "x");
    Path among = release.resolve("page.html");
    CommandLineRun refused = evaluate(RIGHT, "--report", among.toString());
    assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
    assertTrue(refused.err().contains("is a release"), refused.err());
    assertFalse(Files.exists(among));
  }
}
