package palimpsest.house;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** One word names an operation in every language: whoever knows the stem finds all of its files. */
class StemsTest {
  private static final Path LIST = Path.of("native/include/kernels.def");
  private static final Pattern KERNEL = Pattern.compile("^KERNEL\\(\\s*(\\w+)\\s*,\\s*(\\w+)\\s*,");
  private static final Pattern KERNEL_START = Pattern.compile("^\\s*KERNEL\\b");

  /**
   * The verbs, then what prepares a verb: its packed or rounded operands and the size of its
   * scratch memory.
   */
  private static final Set<String> VERBS =
      Set.of(
          "forward",
          "backward",
          "example_norm",
          "example_grad",
          "accumulate",
          "update",
          "pack",
          "round",
          "workspace");

  private static final String JAVA = "java/engine/src/main/java/palimpsest/engine/kernel/";
  private static final String TEST = "java/engine/src/test/java/palimpsest/engine/kernel/";

  private static final Set<String> stems = new TreeSet<>();
  private static final List<String> verbs = new ArrayList<>();
  private static int unread;

  @BeforeAll
  static void readList() {
    for (String line : Repository.lines(LIST)) {
      Matcher kernel = KERNEL.matcher(line);
      if (kernel.find()) {
        stems.add(kernel.group(1));
        verbs.add(kernel.group(1) + " " + kernel.group(2));
      } else if (KERNEL_START.matcher(line).find()) {
        unread++;
      }
    }
  }

  @Test
  void theListIsRead() {
    assertFalse(stems.isEmpty(), LIST + " names no kernel");
    assertEquals(0, unread, "lines of " + LIST + " that are not KERNEL(stem, verb, ...");
    assertEquals(verbs.size(), Set.copyOf(verbs).size(), "a kernel is listed twice");
  }

  @Test
  void verbsComeFromTheClosedList() {
    List<String> others =
        verbs.stream()
            .filter(kernel -> !isVerb(kernel.substring(kernel.indexOf(' ') + 1)))
            .toList();
    assertEquals(List.of(), others);
  }

  /**
   * A verb, or a part or a kind of the operation and a verb, as in {@code bias_example_grad} and
   * {@code sgd_update}.
   */
  private static boolean isVerb(String name) {
    return VERBS.contains(name)
        || VERBS.stream().anyMatch(verb -> name.matches("(bias|weight|sgd|factored)_" + verb));
  }

  @Test
  void everyStemHasAllItsFiles() {
    List<String> missing = new ArrayList<>();
    for (String stem : stems) {
      for (String file : filesOf(stem)) {
        if (!Repository.has(file)) {
          missing.add(file);
        }
      }
    }
    assertEquals(List.of(), missing, "files that the list of kernels promises");
  }

  private static List<String> filesOf(String stem) {
    String name = className(stem);
    return List.of(
        "native/src/" + stem + ".cpp",
        JAVA + name + ".java",
        JAVA + "reference/" + name + "Reference.java",
        JAVA + "cpu/" + name + "Cpu.java",
        TEST + name + "Test.java");
  }

  private static String className(String stem) {
    return Character.toUpperCase(stem.charAt(0)) + stem.substring(1);
  }

  @Test
  void everyStemHasARowInTheTableOfKernels() {
    Path table = Path.of("docs/kernels.md");
    List<String> lines = Repository.has(table.toString()) ? Repository.lines(table) : List.of();
    List<String> missing =
        stems.stream()
            .filter(stem ->
                lines.stream().noneMatch(line -> line.matches("\\|\\s*`?" + stem + "`?\\W.*")))
            .toList();
    assertEquals(List.of(), missing, "stems without a row in docs/kernels.md");
  }

  @Test
  void noBackendHasAStemOfItsOwn() {
    Pattern backend =
        Pattern.compile(
            "kernel/(?:reference|cpu|cuda)/(\\w+)(?:Reference|Cpu|Cuda)\\.java$|^cuda/src/(\\w+)\\.cu$");
    List<String> strangers =
        Repository.files().stream()
            .map(Path::toString)
            .filter(file -> !file.contains("/src/test/"))
            .filter(file -> {
              Matcher m = backend.matcher(file);
              return m.find()
                  && stems.stream()
                      .noneMatch(s -> s.equals(m.group(2)) || className(s).equals(m.group(1)));
            })
            .toList();
    assertEquals(List.of(), strangers, "backend files whose stem is not in " + LIST);
  }

  @Test
  void aNewVerbWouldBeSeen() {
    assertTrue(isVerb("bias_example_grad"));
    assertFalse(isVerb("backprop"));
    assertFalse(isVerb("forward_fast"));
  }
}
