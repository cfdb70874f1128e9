package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.testing.FaultyFiles;

/** R38: a machine that stops at any moment forgets nothing that the ledger has said is paid. */
class LedgerSyncTest {
  private static final String NAME = "visits";
  private static final int STEPS = 3;

  @TempDir Path folder;

  /** The process whose writes are traced; it marks each return of the ledger. */
  static final class User {
    private User() {}

    public static void main(String[] arguments) throws IOException {
      Path state = Path.of(arguments[0]);
      try (Ledger ledger = open(state, "opened")) {
        ledger.setCap(1000, 1e-6);
        FaultyFiles.mark("capped");
        ledger.fileSeen(new byte[32]);
        FaultyFiles.mark("file seen");
        train(ledger);
      }
      Path lines = state.resolve(NAME + ".ledger");
      byte[] all = Files.readAllBytes(lines);
      // As a process leaves it that is killed between its write and its fsync: whole, or torn.
      Files.write(lines, all);
      open(state, "opened again").close();
      Files.write(lines, Arrays.copyOf(all, 10), StandardOpenOption.APPEND);
      open(state, "repaired").close();
    }

    private static Ledger open(Path state, String when) {
      Ledger ledger =
          Ledger.openOrCreate(state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
      FaultyFiles.mark(when);
      return ledger;
    }

    private static void train(Ledger ledger) {
      MechanismSpec spec =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 1000, STEPS, 1e-6);
      PrivacyEvent labels = new PrivacyEvent.Gaussian(20, 1);
      try (SecretKey key = SecretKey.fromOperatingSystem()) {
        Ledger.Run run = ledger.startRun(RunTerms.of(spec), List.of(labels), key);
        FaultyFiles.mark("started");
        run.release("labels", labels);
        FaultyFiles.mark("released");
        for (int step = 0; step < STEPS; step++) {
          run.step(step);
          FaultyFiles.mark("step " + step);
        }
        run.end();
        FaultyFiles.mark("ended");
      }
    }
  }

  @Test
  @Tag("R38")
  void whatReturnsIsOnDisk() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk")).toRealPath();
    Path state = disk.resolve("new/state");
    List<String> trace =
        FaultyFiles.compile(folder).trace(FaultyFiles.java(User.class, state.toString()), disk);
    assertEquals(STEPS + 9, trace.stream().filter(l -> l.startsWith(FaultyFiles.MARK)).count());
    for (Path file : written(state)) {
      assertTrue(
          trace.stream().anyMatch(line -> List.of(line.split("\t")).contains(file.toString())),
          "traced: " + file);
    }
    assertEquals("", FaultyFiles.unsafe(trace, path -> true));
  }

  /** All files but the lock, which holds nothing. */
  private static List<Path> written(Path state) throws IOException {
    try (Stream<Path> files = Files.list(state)) {
      return files.filter(file -> !file.toString().endsWith(".lock")).toList();
    }
  }
}
