package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TestSummaryTest {
  private static final String SUREFIRE =
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuite name="a.B" tests="4" errors="1" skipped="1" failures="1">
        <properties><property name="x" value="y"/></properties>
        <testcase name="works" classname="a.B" time="0.1"><system-out><![CDATA[<failure>]]></system-out></testcase>
        <testcase name="breaks" classname="a.B"><failure message="expected 1&#10;second line" type="E">trace</failure></testcase>
        <testcase name="throws" classname="a.B"><error type="E"/></testcase>
        <testcase name="waits" classname="a.B"><skipped type="T"><![CDATA[org.opentest4j.TestAbortedException: Assumption failed: no shared data
        \tat a.B.waits(B.java:1)]]></skipped></testcase>
      </testsuite>
      """;
  private static final String CTEST =
      """
      <testsuite name="native" tests="2" failures="0" skipped="1">
        <testcase name="gemm" classname="gemm" time="1" status="run"><system-out>ok</system-out></testcase>
        <testcase name="slow" classname="slow" status="notrun"><skipped message="DISABLED"/></testcase>
      </testsuite>
      """;

  @TempDir private Path folder;

  @Test
  void countsAndNamesEveryVerdict() throws IOException {
    Files.writeString(folder.resolve("TEST-a.B.xml"), SUREFIRE);
    Files.writeString(folder.resolve("ctest.xml"), CTEST);
    Run run = run("--check", "Formatting=skipped:no formatter", folder.toString());
    assertEquals(
        """
        Failed:
          a.B.breaks: expected 1
          a.B.throws
        Skipped:
          DISABLED
            slow
          no formatter
            Formatting
          no shared data
            a.B.waits
        2 passed, 2 failed, 3 skipped
        """,
        run.output);
    assertEquals(1, run.exitCode);
  }

  @Test
  void allPassedIsDone() throws IOException {
    Files.writeString(folder.resolve("ctest.xml"), CTEST);
    Run run = run("--check", "Formatting=passed", folder.toString());
    assertTrue(run.output.endsWith("2 passed, 0 failed, 1 skipped\n"), run.output);
    assertEquals(0, run.exitCode);
  }

  @Test
  void aFailedCheckFails() throws IOException {
    Files.writeString(folder.resolve("ctest.xml"), CTEST);
    Run run = run(folder.toString(), "--check", "Formatting=failed:see the log");
    assertTrue(run.output.contains("  Formatting: see the log\n"), run.output);
    assertEquals(1, run.exitCode);
  }

  @Test
  void aReportThatWasCutOffFails() throws IOException {
    Files.writeString(folder.resolve("ctest.xml"), CTEST);
    Files.writeString(folder.resolve("TEST-a.B.xml"), SUREFIRE.substring(0, 200));
    Run run = run(folder.toString());
    assertTrue(run.output.contains("TEST-a.B.xml: unreadable test report"), run.output);
    assertEquals(1, run.exitCode);
  }

  @Test
  void nothingTestedIsNotAPass() throws IOException {
    Run run = run(folder.resolve("missing").toString());
    assertEquals("0 passed, 0 failed, 0 skipped\n", run.output);
    assertFalse(run.exitCode == 0);
  }

  private record Run(int exitCode, String output) {}

  private static Run run(String... args) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    int exitCode = TestSummary.run(new PrintStream(bytes, true, StandardCharsets.UTF_8), args);
    return new Run(exitCode, bytes.toString(StandardCharsets.UTF_8));
  }
}
