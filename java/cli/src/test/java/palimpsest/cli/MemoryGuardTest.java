package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class MemoryGuardTest {
  @TempDir Path folder;

  /** The exit code and the lines of standard error of a command in a virtual machine of its own. */
  private List<String> run(List<String> flags, String... arguments) throws Exception {
    return run(Main.class, flags, arguments);
  }

  private List<String> run(Class<?> main, List<String> flags, String... arguments)
      throws Exception {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-XX:TieredStopAtLevel=1");
    command.addAll(flags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    Path errors = folder.resolve("errors");
    Process process =
        new ProcessBuilder(command)
            .redirectError(errors.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    List<String> result = new ArrayList<>(List.of(Integer.toString(process.waitFor())));
    result.addAll(Files.readAllLines(errors, StandardCharsets.UTF_8));
    return result;
  }

  private static List<String> needed() {
    return MemoryGuard.FLAGS.entrySet().stream()
        .map(flag -> MemoryGuard.option(flag.getKey(), flag.getValue()))
        .toList();
  }

  @Test
  void aMachineThatDumpsItsMemoryReadsNoRecords() throws Exception {
    String file = Files.writeString(folder.resolve("a.csv"), "text\nhello\n").toString();
    String[] check = {"check", file, "--text", "text"};
    assertEquals(List.of("0"), run(needed(), check));
    for (Map.Entry<String, String> flag : MemoryGuard.FLAGS.entrySet()) {
      List<String> flags = new ArrayList<>(needed());
      boolean wanted = flag.getValue().equals("true");
      flags.add(MemoryGuard.option(flag.getKey(), wanted ? "false" : "true"));
      List<String> refused = run(flags, check);
      assertEquals(Integer.toString(ExitCode.REFUSED), refused.getFirst(), flag.getKey());
      assertTrue(refused.getLast().contains(flag.getKey()), refused.getLast());
    }
  }

  /** Says whether this process can be dumped after the guard let a command read records. */
  static final class Look {
    public static void main(String[] arguments) {
      System.err.println(MemoryGuard.prctl(MemoryGuard.GET_DUMPABLE));
      System.err.println(
          MemoryGuard.refusal(new CommandLine(new CheckCommand()).getCommandSpec()).isEmpty());
      System.err.println(MemoryGuard.prctl(MemoryGuard.GET_DUMPABLE));
    }
  }

  @Test
  void aProcessThatReadsRecordsCannotBeDumped() throws Exception {
    assertEquals(List.of("0", "1", "true", "0"), run(Look.class, needed()));
  }

  /** It is the command that was parsed that counts, in whatever words it was given. */
  @Test
  void noWordsLeadAroundTheGuard() throws Exception {
    String file = Files.writeString(folder.resolve("a.csv"), "text\nhello\n").toString();
    Path words =
        Files.write(folder.resolve("words"), List.of("check", file, "--text=text", "--json"));
    List<String> refused = run(List.of(), "@" + words);
    assertEquals(Integer.toString(ExitCode.REFUSED), refused.getFirst());
    assertTrue(refused.toString().contains("\"exit\" : 3"), refused.toString());
  }

  @Test
  void whatReadsNoRecordsMayRun() throws Exception {
    for (String command : List.of("--version", "check --help", "doctor")) {
      assertEquals("0", run(List.of(), command.split(" ")).getFirst(), command);
    }
  }

  /** The launcher sets every flag and sets none the other way, at a terminal or elsewhere. */
  @Test
  void theLauncherSetsTheFlags() throws IOException {
    String launcher =
        Files.readString(Path.of(System.getProperty("palimpsest.root", "../.."), "palimpsest"));
    for (Map.Entry<String, String> flag : MemoryGuard.FLAGS.entrySet()) {
      boolean wanted = flag.getValue().equals("true");
      String option = MemoryGuard.option(flag.getKey(), flag.getValue());
      assertTrue(launcher.contains(option) || flag.getKey().contains("FullGC"), option);
      assertFalse(
          launcher.contains(MemoryGuard.option(flag.getKey(), wanted ? "false" : "true")), option);
    }
  }
}
