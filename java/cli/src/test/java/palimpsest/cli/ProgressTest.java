package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private final StringWriter text = new StringWriter();
  private long now;

  private Progress start(Progress.Style style, long total) {
    return new Progress(new PrintWriter(text), style, "training", total, () -> now);
  }

  private void runSteps(Progress progress, int steps, long nanosEach) {
    for (int i = 1; i <= steps; i++) {
      now += nanosEach;
      progress.update(i);
    }
    progress.close();
  }

  @Test
  void linesComeAtEveryTenthWithTheTimeLeft() {
    runSteps(start(Progress.Style.LINES, 200), 200, 1_000_000_000L);
    String[] lines = text.toString().split("\n");
    assertEquals(10, lines.length);
    assertEquals("training: 20 of 200 steps, 3:00 left", lines[0]);
    assertEquals("training: 200 of 200 steps, took 3:20", lines[9]);
  }

  @Test
  void hoursAreShown() {
    runSteps(start(Progress.Style.LINES, 10), 1, 3_600_000_000_000L);
    assertEquals("training: 1 of 10 steps, 9:00:00 left\n", text.toString());
  }

  @Test
  void theBarIsRedrawnAtMostTenTimesASecond() {
    runSteps(start(Progress.Style.BAR, 1000), 1000, 1_000_000L);
    int drawn = text.toString().split("\r", -1).length - 1;
    assertTrue(drawn >= 10 && drawn <= 13, drawn + " redraws in one second");
    assertTrue(text.toString().endsWith("[" + "=".repeat(30) + "] 1000/1000  took 0:01\n"));
  }

  @Test
  void silentPrintsNothing() {
    runSteps(start(Progress.Style.SILENT, 10), 10, 1);
    assertEquals("", text.toString());
  }

  @Test
  void stepsNeverGoBackOrPastTheEnd() {
    Progress progress = start(Progress.Style.LINES, 10);
    progress.update(7);
    progress.update(3);
    progress.update(11);
    assertFalse(text.toString().contains("3 of"), text.toString());
    assertTrue(text.toString().contains("10 of 10"), text.toString());
  }

  @Test
  void needsAStep() {
    assertThrows(IllegalArgumentException.class, () -> start(Progress.Style.BAR, 0));
  }
}
