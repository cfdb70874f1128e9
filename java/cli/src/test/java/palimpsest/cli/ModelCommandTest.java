package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.synth.bench.RandomModel;

class ModelCommandTest {
  @TempDir private Path temp;
  private Path cache;
  private Path source;
  private final DecoderConfig config = TinyConfigs.llama();

  @BeforeEach
  void makeModel() {
    cache = temp.resolve("models");
    source = temp.resolve("Tiny-Model");
    RandomModel.write(config, source, 1);
  }

  private CommandLineRun model(String... args) {
    return CommandLineRun.of(
        Stream.of(new String[] {"model"}, args, new String[] {"--models", cache.toString()})
            .flatMap(Arrays::stream)
            .toArray(String[]::new));
  }

  @Test
  void anImportedModelIsListedAndShown() throws IOException {
    CommandLineRun imported = model("import", source.toString(), "--json");
    assertEquals(ExitCode.DONE, imported.exitCode(), imported.err());
    assertTrue(Files.isRegularFile(cache.resolve("tiny-model").resolve("config.json")));

    JsonNode list = new ObjectMapper().readTree(model("list", "--json").out());
    assertEquals(1, list.get("models").size());
    JsonNode listed = list.get("models").get(0);
    assertEquals("tiny-model", listed.get("name").textValue());
    assertEquals(config.parameterCount(), listed.get("parameters").longValue());
    assertEquals(4 * config.parameterCount(), listed.get("bytes").longValue(), 4000);
    assertEquals(4, list.get("available").size());

    CommandLineRun shown = model("show", "tiny-model");
    assertEquals(ExitCode.DONE, shown.exitCode(), shown.err());
    assertTrue(shown.out().contains("silu_gated"), shown.out());
    assertEquals(shown.out(), model("show", cache.resolve("tiny-model").toString()).out());
  }

  /** It can be had and shown, and whatever writes text refuses it in a line. */
  @Test
  void anEncoderIsNotTakenForAModelThatWrites() throws IOException {
    Path encoder = temp.resolve("Tiny-Encoder");
    RandomModel.write(TinyConfigs.bert(), encoder, 1);
    CommandLineRun imported = model("import", encoder.toString(), "--json");
    assertEquals(ExitCode.DONE, imported.exitCode(), imported.err());
    JsonNode shown = new ObjectMapper().readTree(imported.out());
    assertEquals("encoder", shown.get("kind").textValue());
    assertEquals(TinyConfigs.bert().parameterCount(), shown.get("parameters").longValue());
    for (CommandLineRun run :
        new CommandLineRun[] {
          CommandLineRun.of(
              "calibrate",
              "--plan",
              "--epsilon",
              "8",
              "--size-bound",
              "6000",
              "--model",
              encoder.toString()),
          CommandLineRun.of("bench", "step", "--model", encoder.toString())
        }) {
      assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
      assertEquals(1, run.err().lines().count(), run.err());
      assertTrue(run.err().contains("is an encoder, which reads text"), run.err());
    }
  }

  @Test
  void aNameCanBeChosenButNotTwice() {
    assertEquals(ExitCode.DONE, model("import", source.toString(), "mine").exitCode());
    CommandLineRun again = model("import", source.toString(), "mine");
    assertEquals(ExitCode.BAD_INPUT, again.exitCode());
    assertTrue(again.err().contains("here already"), again.err());
    assertEquals(1, again.err().lines().count());
  }

  @Test
  void aModelThatIsHereIsNotFetchedAgain() {
    assertEquals(ExitCode.DONE, model("import", source.toString(), "smollm2-135m").exitCode());
    CommandLineRun get = model("get", "smollm2-135m");
    assertEquals(ExitCode.DONE, get.exitCode(), get.err());
    assertEquals("", get.err());
    assertFalse(model("list").out().contains("SmolLM2"));
  }

  @Test
  void aDamagedModelDoesNotHideTheOthers() throws IOException {
    model("import", source.toString(), "good");
    model("import", source.toString(), "bad");
    Files.writeString(cache.resolve("bad").resolve("config.json"), "{");
    CommandLineRun list = model("list");
    assertEquals(ExitCode.DONE, list.exitCode(), list.err());
    assertTrue(list.out().contains("bad                  cannot be used"), list.out());
    assertTrue(list.out().contains("good"), list.out());
    assertEquals(ExitCode.BAD_INPUT, model("show", "bad").exitCode());
  }

  @Test
  void whatIsUnknownIsBadInputAndSaysWhatToDo() {
    CommandLineRun get = model("get", "gpt-9");
    assertEquals(ExitCode.BAD_INPUT, get.exitCode());
    assertTrue(get.err().contains("smollm2-135m"), get.err());
    CommandLineRun show = model("show", "smollm2-135m");
    assertEquals(ExitCode.BAD_INPUT, show.exitCode());
    assertTrue(show.err().contains("palimpsest model get smollm2-135m"), show.err());
    assertEquals(ExitCode.BAD_INPUT, model("import", temp.resolve("none").toString()).exitCode());
    assertEquals(ExitCode.BAD_INPUT, CommandLineRun.of("model").exitCode());
  }
}
