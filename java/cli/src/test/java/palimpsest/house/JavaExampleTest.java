package palimpsest.house;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java example of the documentation is a program that runs. */
class JavaExampleTest {
  private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
  @TempDir Path folder;

  @Test
  void theExampleOfTheFirstPageRunsAsItStands() throws Exception {
    String page = Files.readString(Repository.ROOT.resolve("docs/start.md"));
    Matcher block = BLOCK.matcher(page);
    assertTrue(block.find(), "docs/start.md has an example");
    Files.writeString(folder.resolve("Example.java"), block.group(1));
    writeTickets();
    Process example = start();
    String said = new String(example.getInputStream().readAllBytes());
    assertEquals(0, example.waitFor(), said);
    assertTrue(said.contains("Differential privacy with epsilon 8"), said);
    assertEquals(
        100, Files.readAllLines(folder.resolve("synthetic-tickets/synthetic.jsonl")).size());
  }

  private void writeTickets() throws IOException {
    Files.writeString(
        folder.resolve("queues.tsv"), "billing\tabout a bill\nlogin\tabout logging in\n");
    StringBuilder rows = new StringBuilder("body,queue\n");
    for (int i = 0; i < 40; i++) {
      rows.append("The bill of month ").append(i).append(" is wrong.,billing\n");
      rows.append("I cannot log in since day ").append(i).append(".,login\n");
    }
    Files.writeString(folder.resolve("tickets.csv"), rows);
  }

  /** Java compiles a file that it is given by itself; nothing of this machine's user is touched. */
  private Process start() throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--class-path",
                System.getProperty("java.class.path"),
                "Example.java")
            .directory(folder.toFile())
            .redirectErrorStream(true);
    builder
        .environment()
        .putAll(
            Map.of(
                "XDG_CACHE_HOME", folder.resolve("cache").toString(),
                "PALIMPSEST_STATE", folder.resolve("state").toString()));
    return builder.start();
  }
}
