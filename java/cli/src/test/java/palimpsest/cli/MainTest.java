package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

class MainTest {
  /** Every command that does something, by its full name. */
  static Stream<List<String>> commands() {
    return leaves(new CommandLine(new Main()), List.of());
  }

  private static Stream<List<String>> leaves(CommandLine command, List<String> path) {
    if (command.getSubcommands().isEmpty()) {
      return Stream.of(path);
    }
    return command.getSubcommands().entrySet().stream()
        .flatMap(sub ->
            leaves(sub.getValue(), Stream.concat(path.stream(), Stream.of(sub.getKey())).toList()));
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelpWithAnExampleAndJson(List<String> command) {
    String[] args = Stream.concat(command.stream(), Stream.of("--help")).toArray(String[]::new);
    CommandLineRun run = CommandLineRun.of(args);
    assertEquals(ExitCode.DONE, run.exitCode());
    assertTrue(run.out().contains("Example: palimpsest " + String.join(" ", command)), run.out());
    assertTrue(run.out().contains("--json"), run.out());
    assertEquals("", run.err());
  }

  @ParameterizedTest
  @MethodSource("commands")
  void anUnknownOptionIsOneLine(List<String> command) {
    String[] args = Stream.concat(command.stream(), Stream.of("--no-such")).toArray(String[]::new);
    CommandLineRun run = CommandLineRun.of(args);
    assertEquals(ExitCode.BAD_INPUT, run.exitCode());
    assertEquals("", run.out());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().startsWith("palimpsest: "), run.err());
  }

  @Test
  void noCommandAndAnUnknownOneAreBadUsage() {
    assertEquals(ExitCode.BAD_INPUT, CommandLineRun.of().exitCode());
    CommandLineRun unknown = CommandLineRun.of("no-such");
    assertEquals(ExitCode.BAD_INPUT, unknown.exitCode());
    assertTrue(unknown.err().contains("no-such"), unknown.err());
  }

  @Test
  void anErrorForAProgramIsJson() throws IOException {
    CommandLineRun run = CommandLineRun.of("doctor", "--json", "--no-such");
    JsonNode error = new ObjectMapper().readTree(run.err());
    assertEquals(ExitCode.BAD_INPUT, error.get("exit").asInt());
    assertTrue(error.get("error").asText().contains("--no-such"), run.err());
  }

  @Test
  void versionNamesItselfAndJava() {
    CommandLineRun run = CommandLineRun.of("--version");
    assertEquals(ExitCode.DONE, run.exitCode());
    assertTrue(run.out().startsWith("palimpsest ") && run.out().contains("Java 25"), run.out());
  }

  @Test
  void doctorAnswersForPeopleAndPrograms() throws IOException {
    CommandLineRun person = CommandLineRun.of("doctor");
    assertEquals(ExitCode.DONE, person.exitCode());
    assertTrue(person.out().contains("NVIDIA GPU"), person.out());
    JsonNode program = new ObjectMapper().readTree(CommandLineRun.of("doctor", "--json").out());
    assertEquals("yes", program.get("instruction_sets").get("portable").asText());
    assertTrue(program.get("memory_gib").asDouble() > 0);
  }
}
