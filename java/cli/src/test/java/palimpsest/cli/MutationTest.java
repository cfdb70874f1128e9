package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.cli.MutatedTree.Verdict;
import palimpsest.testing.NamedTest;

/** The planted faults fit the sources, and a verdict is what the reports say. */
class MutationTest {
  @TempDir private Path folder;

  @BeforeAll
  static void requireGit() throws InterruptedException {
    try {
      new ProcessBuilder("git", "--version")
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      Assumptions.abort("git is not here");
    }
  }

  @Test
  void everyPatchAppliesAndItsTestExists() throws IOException {
    Path root = Path.of(System.getProperty("palimpsest.root"));
    List<Mutation> mutations = Mutation.all(root);
    List<String> problems = new ArrayList<>();
    for (Mutation mutation : mutations) {
      mutation.problem(root).ifPresent(problems::add);
    }
    assertEquals(List.of(), problems);
    assertTrue(mutations.size() >= 25, "only " + mutations.size() + " mutations");
  }

  private Mutation mutation(String header) throws IOException {
    Path patch = folder.resolve("off-by-one.patch");
    Files.writeString(
        patch,
        header
            + """
            --- a/count.txt
            +++ b/count.txt
            @@ -1 +1 @@
            -1
            +2
            """);
    return Mutation.read(patch);
  }

  @Test
  void aPatchIsAppliedAndTakenBack() throws IOException {
    Mutation mutation = mutation("# what: it counts wrong\n# test: cli CountTest#counts\n");
    assertEquals("off-by-one", mutation.name());
    assertEquals("it counts wrong", mutation.what());
    Path file = folder.resolve("count.txt");
    Files.writeString(file, "1\n");
    List<String> said = new ArrayList<>();
    assertTrue(mutation.apply(folder, said));
    assertEquals("2\n", Files.readString(file));
    assertFalse(mutation.apply(folder, said), "once only");
    assertTrue(mutation.apply(folder, said, "-R"));
    assertEquals("1\n", Files.readString(file));
  }

  @Test
  void aStaleMutationIsNamed() throws IOException {
    Mutation mutation = mutation("# what: it counts wrong\n# test: cli CountTest#counts\n");
    assertEquals(
        Optional.of("off-by-one: there is no test cli CountTest#counts"), mutation.problem(folder));
    Path tests = Files.createDirectories(folder.resolve("java/cli/src/test/java/a"));
    Files.writeString(tests.resolve("CountTest.java"), "class CountTest { void counts() {} }");
    Files.writeString(folder.resolve("count.txt"), "7\n");
    assertTrue(mutation.problem(folder).orElseThrow().contains("does not apply"));
    Files.writeString(folder.resolve("count.txt"), "1\n");
    assertEquals(Optional.empty(), mutation.problem(folder));
  }

  @Test
  void aHeaderMustNameFaultAndTest() {
    for (String header :
        List.of("", "# what: x\n", "# what: x\n# test: CountTest\n", "# test: cli A#b\n")) {
      assertThrows(IllegalArgumentException.class, () -> mutation(header), header);
    }
  }

  private Mutation changing(String file) throws IOException {
    Path patch = folder.resolve("other.patch");
    Files.writeString(
        patch,
        "# what: x\n# test: cli CountTest#counts\n--- a/%s\n+++ b/%s\n".formatted(file, file));
    return Mutation.read(patch);
  }

  /** What is neither a Java source nor a kernel is built by Maven. */
  @Test
  void sourcesAndKernelsAreCompiledWithoutMaven() throws IOException {
    for (String file :
        List.of(
            "java/privacy/src/main/java/a/B.java", "native/src/clip.cpp", "native/include/c.h")) {
      assertEquals(List.of(file), changing(file).files());
      assertTrue(MutatedBuild.canRun(changing(file)), file);
    }
    for (String file :
        List.of(
            "palimpsest",
            "pom.xml",
            "java/synth/src/main/resources/a.json",
            "native/CMakeLists.txt")) {
      assertFalse(MutatedBuild.canRun(changing(file)), file);
    }
  }

  /** The runner's exit codes, which are {@code NamedTest}'s. */
  @Test
  void verdictsAreThoseOfTheRunner() {
    assertEquals(Verdict.SURVIVED, MutatedBuild.judge(NamedTest.PASSED).verdict());
    assertEquals(Verdict.KILLED, MutatedBuild.judge(NamedTest.FAILED).verdict());
    for (int exit : new int[] {NamedTest.NOT_RUN, NamedTest.BROKEN, 1, 137}) {
      assertEquals(Verdict.BROKEN, MutatedBuild.judge(exit).verdict());
    }
  }

  private Verdict verdict(String cases) throws IOException {
    Mutation mutation = mutation("# what: x\n# test: cli CountTest#counts\n");
    Path reports = Files.createDirectories(folder.resolve("reports"));
    Files.writeString(
        reports.resolve("TEST-a.CountTest.xml"), "<testsuite>" + cases + "</testsuite>");
    return MutatedTree.judge(mutation, reports).verdict();
  }

  @Test
  void onlyAFailureOfTheNamedTestKills() throws IOException {
    String red = "<testcase name='counts(int)[2]'><failure message='x'/></testcase>";
    String green = "<testcase name='counts(int)[1]'/>";
    String other = "<testcase name='countsMore'><error/></testcase>";
    assertEquals(Verdict.KILLED, verdict(green + red));
    assertEquals(Verdict.SURVIVED, verdict(green + other));
    assertEquals(Verdict.BROKEN, verdict(other));
    assertEquals(Verdict.BROKEN, verdict("<testcase name='counts'><skipped/></testcase>"));
    assertEquals(Verdict.BROKEN, verdict(green + "<testcase"), "a report that was cut off");
  }
}
