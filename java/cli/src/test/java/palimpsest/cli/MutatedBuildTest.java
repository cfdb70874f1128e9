package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.cli.MutatedTree.Verdict;

/**
 * A mutation is judged by its test alone, which must pass without it when it is run in the same
 * way.
 */
class MutatedBuildTest {
  private static final String SUM =
      "package a; public class Sum { public static int of(int a, int b) { return a + b; } }";

  @TempDir private Path folder;
  private Path tree;
  private MutatedBuild build;

  @BeforeEach
  void setUp() throws IOException {
    tree = folder.resolve("tree");
    for (String module : List.of("privacy", "engine", "synth", "cli")) {
      Files.createDirectories(tree.resolve("java/" + module + "/src/main/java/a"));
    }
    write("src/main/java/a/Sum.java", SUM);
    write("src/test/java/a/SumTest.java", test("SumTest", "assertEquals(5, Sum.of(2, 3));"));
    write("src/test/java/a/OddTest.java", test("OddTest", "assertEquals(6, Sum.of(2, 3));"));
    write(
        "target/surefire-reports/TEST-a.SumTest.xml",
        "<testsuite><properties>"
            + property("surefire.test.class.path", System.getProperty("java.class.path"))
            + property("palimpsest.test.flags", "-XX:TieredStopAtLevel=1")
            + "</properties></testsuite>");
    build = new MutatedBuild(tree, folder.resolve("log"), 5);
  }

  private static String property(String name, String value) {
    return "<property name='" + name + "' value='" + value + "'/>";
  }

  private static String test(String name, String body) {
    return "package a; import static org.junit.jupiter.api.Assertions.assertEquals;"
        + " class %s { @org.junit.jupiter.api.Test void adds() { %s } }".formatted(name, body);
  }

  private void write(String file, String content) throws IOException {
    Path path = tree.resolve("java/privacy").resolve(file);
    Files.createDirectories(path.getParent());
    Files.writeString(path, content);
  }

  /** A mutation of the sum with this test. */
  private Mutation mutation(String test) throws IOException {
    Path patch = folder.resolve(test + ".patch");
    String file = "java/privacy/src/main/java/a/Sum.java";
    Files.writeString(
        patch,
        "# what: it adds wrong\n# test: privacy %s#adds\n--- a/%s\n+++ b/%s\n"
            .formatted(test, file, file));
    return Mutation.read(patch);
  }

  @Test
  void aTestThatFailsAnywayKillsNothing() throws IOException {
    Mutation sound = mutation("SumTest");
    Mutation odd = mutation("OddTest");
    assertEquals(
        Map.of(odd, MutatedBuild.FAILS_ANYWAY), build.control("privacy", List.of(sound, odd)));
  }

  @Test
  void aMutationIsKilledByItsOwnTest() throws IOException {
    Mutation sound = mutation("SumTest");
    assertEquals(Verdict.SURVIVED, build.run(sound).verdict(), "nothing is changed yet");
    write("src/main/java/a/Sum.java", SUM.replace("a + b", "a - b"));
    assertEquals(Verdict.KILLED, build.run(sound).verdict());
    write("src/main/java/a/Sum.java", SUM.replace("a + b", "a +"));
    assertEquals(Verdict.BROKEN, build.run(sound).verdict());
    write("src/main/java/a/Sum.java", SUM.replace("int of", "int sum"));
    assertEquals(Verdict.BROKEN, build.run(sound).verdict());
  }
}
