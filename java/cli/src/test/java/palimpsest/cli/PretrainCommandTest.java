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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PretrainCommandTest {
  @TempDir Path folder;
  private Path data;

  @BeforeEach
  void writeText() throws IOException {
    data = folder.resolve("public.txt");
    Files.writeString(data, "the cat sat on the mat, and the dog on the log.\n".repeat(60));
  }

  private CommandLineRun run(String out, String... more) {
    List<String> words = new ArrayList<>(List.of("pretrain", "--data", data.toString()));
    words.addAll(List.of("--steps", "6", "--length", "16", "--batch", "4"));
    words.addAll(List.of("--out", folder.resolve(out).toString()));
    words.addAll(List.of(more));
    return CommandLineRun.of(words.toArray(String[]::new));
  }

  /** A new model with a tokenizer of its own; then another that goes on from it. */
  @Test
  void beginsAModelAndGoesOnFromIt() throws IOException {
    CommandLineRun begun =
        run(
            "first",
            "--vocabulary",
            "270",
            "--layers",
            "2",
            "--width",
            "32",
            "--held-out",
            data.toString(),
            "--json");
    assertEquals(ExitCode.DONE, begun.exitCode(), begun.err());
    JsonNode made = new ObjectMapper().readTree(begun.out());
    assertEquals(6, made.get("steps").asInt());
    assertEquals(6 * 4 * 16, made.get("tokens").asInt());
    assertTrue(made.get("bitsPerByte").asDouble() > 0);
    assertTrue(made.get("privacy").asText().startsWith("none"));
    assertFalse(Files.exists(folder.resolve("first.training")), "the state goes when it is done");
    Path model = folder.resolve("first/model");
    CommandLineRun more = run("second", "--model", model.toString(), "--json");
    assertEquals(ExitCode.DONE, more.exitCode(), more.err());
    double before = new ObjectMapper().readTree(begun.out()).get("loss").asDouble();
    assertTrue(new ObjectMapper().readTree(more.out()).get("loss").asDouble() < before);
    assertTrue(Files.exists(folder.resolve("second/model/tokenizer.json")));
  }

  @ParameterizedTest
  @CsvSource({
    "--layers 2,either --tokenizer or --vocabulary",
    "--vocabulary 270 --width 100,multiple of 64",
    "--vocabulary 10,vocabulary size",
    "--vocabulary 270 --learning-rate 2,learning rate",
    "--vocabulary 270 --optimizer adafactor --weight-decay 0.1,adafactor has no weight decay",
    "--vocabulary 270 --optimizer sgd,no learning rate",
    "--vocabulary 270 --resume,no interrupted run",
    "--model none --layers 2,leave out"
  })
  void badInputIsOneLine(String options, String named) {
    CommandLineRun run = run("bad", options.split(" "));
    assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
    List<String> lines = run.err().lines().filter(line -> !line.contains("learning a")).toList();
    assertEquals(1, lines.size(), run.err());
    assertTrue(run.err().contains(named), run.err());
    assertFalse(Files.exists(folder.resolve("bad")));
    assertFalse(Files.exists(folder.resolve("bad.training")), "the next try is not an old run");
  }

  @Test
  void anInterruptedRunIsNotBegunAgain() throws IOException {
    Path state = Files.createDirectories(folder.resolve("out.training"));
    CommandLineRun run = run("out", "--vocabulary", "270");
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertTrue(run.err().contains("--resume"), run.err());
    String[] options = {"--vocabulary", "270", "--layers", "1", "--width", "32", "--resume"};
    Files.writeString(state.resolve("options"), "null\nnull\n270\n2\n32\n1");
    CommandLineRun other = run("out", options);
    assertEquals(ExitCode.BAD_INPUT, other.exitCode(), other.out());
    assertTrue(other.err().contains("other options"), other.err());
    assertTrue(Files.exists(state), "it is kept");
    Files.writeString(state.resolve("options"), "null\nnull\n270\n1\n32\n1");
    CommandLineRun resumed = run("out", options);
    assertEquals(ExitCode.DONE, resumed.exitCode(), resumed.err());
  }

  /** What a private run released must not become public by going on from it. */
  @Test
  void aModelThatWasTunedOnPrivateRecordsIsNoStart() throws IOException {
    assertEquals(
        ExitCode.DONE,
        run("first", "--vocabulary", "270", "--layers", "1", "--width", "32").exitCode());
    Path model = folder.resolve("first/model");
    Files.writeString(model.resolve("palimpsest.json"), "{}");
    CommandLineRun refused = run("second", "--model", model.toString());
    assertEquals(ExitCode.BAD_INPUT, refused.exitCode(), refused.out());
    assertEquals(1, refused.err().lines().count(), refused.err());
    assertTrue(refused.err().contains("private records"), refused.err());
  }
}
