package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.privacy.LedgerException;
import palimpsest.testing.FaultyFiles;

/**
 * R38: on a disk that fills up, or whose fsync fails, a run stops with an error; what was written
 * before is whole, the ledger is never behind, and the run can be resumed when the disk is well
 * again.
 */
class SynthesisFaultTest {
  private static final int STEPS = 3;

  /** Which fsync or write fails. A run of these few steps makes some 40 of each. */
  private static int[] places() {
    return Boolean.getBoolean("palimpsest.test.full")
        ? IntStream.rangeClosed(1, 60).toArray()
        : new int[] {2, 9, 17, 26};
  }

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"FAULTY_FSYNC", "FAULTY_WRITE"})
  @Tag("R38")
  void aDiskThatFailsLosesNothing(String fault) throws Exception {
    Path place = Files.createDirectories(folder.resolve("run"));
    TinySetting setting = new TinySetting(place);
    FaultyFiles library = FaultyFiles.compile(folder);
    int fired = 0;
    for (int at : places()) {
      Path mark = folder.resolve("mark-" + at);
      ProcessBuilder faulty = SynthesisCrashTest.victim(place, STEPS, 0);
      library.preload(faulty, place);
      faulty.environment().put("FAULTY_MARK", mark.toString());
      faulty.environment().put(fault, Integer.toString(at));
      faulty.redirectError(Redirect.DISCARD);
      int exit = faulty.start().waitFor();
      if (Files.exists(mark)) {
        fired++;
        assertNotEquals(0, exit, fault + " " + at + ": the run says that it failed");
        checkLedger(setting);
        finish(setting, fault + " " + at);
      } else {
        assertEquals(0, exit, fault + " " + at);
      }
      assertEquals(STEPS, SynthesisCrashTest.stepsPaid(setting), fault + " " + at);
      assertTrue(Files.exists(setting.out().resolve(Synthesis.STATEMENT_JSON)), "whole");
      assertTrue(Files.exists(setting.out().resolve(Synthesis.RECORDS_JSONL)), "whole");
      assertEquals(0, SynthesisCrashTest.runFolders(setting), fault + " " + at);
      clean(setting);
    }
    assertTrue(fired >= 3, "faults that happened: " + fired);
  }

  /**
   * No update is kept before its payment is on disk, nothing is renamed into its place before it
   * is, and what a finished run leaves is.
   */
  @Test
  @Tag("R38")
  void whatARunKeepsIsOnDiskBeforeItCounts() throws Exception {
    Path place = Files.createDirectories(folder.resolve("run")).toRealPath();
    TinySetting setting = new TinySetting(place);
    List<String> trace = new ArrayList<>();
    int updates = 0;
    for (String line :
        FaultyFiles.compile(folder).trace(SynthesisCrashTest.victim(place, STEPS, 0), place)) {
      if (line.startsWith("rename") && line.endsWith("training.safetensors")) {
        trace.add(FaultyFiles.MARK + "update " + ++updates + "\t");
      }
      trace.add(line);
    }
    assertTrue(updates >= STEPS, "updates that were kept: " + updates);
    Path ledgers = setting.state().resolve("ledgers");
    assertEquals("", FaultyFiles.unsafe(trace, path -> path.startsWith(ledgers)));
    trace.removeIf(line -> line.startsWith(FaultyFiles.MARK + "update"));
    // The run's own state is gone by then, and would do no harm if it came back.
    Path runs = setting.state().resolve("runs");
    assertEquals("", FaultyFiles.unsafe(trace, path -> !path.equals(runs)));
  }

  /**
   * The run goes on, unless only the last fsync failed, when everything had been written: then the
   * output is there and is not written again.
   */
  private static void finish(TinySetting setting, String what) throws Exception {
    if (Files.exists(setting.out())) {
      Synthesis.discard(setting.destination(false));
    } else {
      Path place = setting.out().getParent();
      assertEquals(0, SynthesisCrashTest.victim(place, STEPS, 0).start().waitFor(), what);
    }
  }

  /** A ledger whose creation failed half-way has paid for nothing, and says so. */
  private static void checkLedger(TinySetting setting) throws IOException {
    try {
      SynthesisCrashTest.checkLedger(setting, 1);
    } catch (LedgerException e) {
      assertTrue(e.getMessage().contains("nothing was paid"), e.getMessage());
    }
  }

  private static void clean(TinySetting setting) throws IOException {
    AtomicFiles.deleteTree(setting.out());
    AtomicFiles.deleteTree(setting.state());
  }
}
