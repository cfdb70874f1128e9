package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.SecretKey;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TemporaryLedgerTest {
  private static final MechanismSpec MECHANISM =
      MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 100, 2, 1e-5);

  @TempDir Path parent;

  /** The process that is asked to end. Its argument: the parent folder. */
  static final class Victim {
    public static void main(String[] arguments) throws InterruptedException {
      try (SecretKey key = SecretKey.fromOperatingSystem();
          TemporaryLedger ledger = new TemporaryLedger(Path.of(arguments[0]), MECHANISM)) {
        ledger.startRun(List.of(), key).step(1);
        System.out.write('\n');
        System.out.flush();
        Thread.sleep(60_000);
      }
    }
  }

  private List<Path> folders() throws IOException {
    try (Stream<Path> all = Files.list(parent)) {
      return all.toList();
    }
  }

  @Test
  void isTheOwnersAloneAndGoesWhenItIsClosed() throws IOException {
    try (SecretKey key = SecretKey.fromOperatingSystem();
        TemporaryLedger ledger = new TemporaryLedger(parent, MECHANISM)) {
      ledger.startRun(List.of(), key).step(1);
      assertEquals(
          PosixFilePermissions.fromString("rwx------"),
          Files.getPosixFilePermissions(folders().getFirst()));
    }
    assertEquals(List.of(), folders());
  }

  @Test
  void goesWithAProcessThatIsAskedToEnd() throws Exception {
    Process victim =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Victim.class.getName(),
                parent.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertEquals('\n', victim.getInputStream().read(), "the ledger is in use");
    assertEquals(1, folders().size());
    victim.destroy();
    assertTrue(victim.waitFor() != 0);
    assertEquals(List.of(), folders());
  }

  @Test
  void aPlaceThatCannotBeWrittenIsRefused() {
    Path missing = parent.resolve("missing");
    assertThrows(UncheckedIOException.class, () -> new TemporaryLedger(missing, MECHANISM));
  }
}
