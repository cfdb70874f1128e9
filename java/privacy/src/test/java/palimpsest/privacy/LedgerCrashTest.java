package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.testing.FullTests;

/** R38: a training process is killed at any moment and started again. */
class LedgerCrashTest {
  private static final String NAME = "visits";
  private static final int STEPS = 100_000;

  @TempDir Path folder;

  /**
   * What the killed process runs: pays for steps and, as an update would, makes each known only
   * afterwards.
   */
  static final class Trainer {
    private Trainer() {}

    public static void main(String[] arguments) {
      Path state = Path.of(arguments[0]);
      MechanismSpec spec =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 1000, STEPS, 1e-6);
      try (Ledger ledger = openOrCreate(state);
          SecretKey key = SecretKey.fromOperatingSystem()) {
        Ledger.Run run = ledger.startRun(spec, key);
        for (int step = 0; step < STEPS; step++) {
          run.step(step);
          System.out.println("released " + run.start().run() + " " + step);
        }
      }
    }
  }

  @Test
  void everyReleaseIsPaidForAndNoKeyComesBack() throws Exception {
    Path state = folder.resolve("state");
    long released = 0;
    int kills = (int) FullTests.size(3, 40);
    for (int i = 0; i < kills; i++) {
      List<String> seen = runAndKill(state, 5 + 17 * i);
      assertFalse(seen.isEmpty());
      released += seen.size();
      Ledger.Verification verification = Ledger.verify(state, NAME);
      assertNotEquals(Ledger.State.BROKEN, verification.state(), verification.toString());
      Ledger.repair(state, NAME);
      assertEquals(Ledger.State.INTACT, Ledger.verify(state, NAME).state());
      List<LedgerRecord> records = Ledger.read(state, NAME);
      Set<String> paid = new HashSet<>();
      for (LedgerRecord record : records) {
        if (record instanceof LedgerRecord.Step step) {
          assertTrue(paid.add("released " + step.run() + " " + step.step()));
        }
      }
      assertTrue(paid.containsAll(seen), "a release that was not paid for");
      long counted = Ledger.events(records).stream().mapToLong(PrivacyEvent::count).sum();
      assertEquals(paid.size(), counted);
      assertTrue(counted >= released);
      assertEquals(i + 1, fingerprints(records).size());
    }
  }

  private static Ledger openOrCreate(Path state) {
    return Ledger.openOrCreate(state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
  }

  /** The files that a creation writes, in the order in which it writes them. */
  private List<Map.Entry<String, byte[]>> writesOfACreation() throws IOException {
    Path whole = folder.resolve("whole");
    LedgerStore store = new LedgerStore(whole, NAME);
    store.requirePrivateDirectory();
    store.create();
    byte[] secret = Files.readAllBytes(whole.resolve(NAME + ".secret"));
    byte[] headBefore = Files.readAllBytes(whole.resolve(NAME + ".head"));
    openOrCreate(whole).close();
    byte[] lines = Files.readAllBytes(whole.resolve(NAME + ".ledger"));
    byte[] head = Files.readAllBytes(whole.resolve(NAME + ".head"));
    return List.of(
        Map.entry("lock", new byte[0]),
        Map.entry("secret.new", secret),
        Map.entry("secret", secret),
        Map.entry("head.new", headBefore),
        Map.entry("head", headBefore),
        Map.entry("ledger", lines),
        Map.entry("head.new", head),
        Map.entry("head", head));
  }

  /**
   * A creation is killed at any byte that it writes: the next one finishes it, and the account
   * works as any other. What is renamed into place appears whole, with the file that it was.
   */
  @Test
  void aCreationKilledAnywhereIsFinished() throws IOException {
    List<Map.Entry<String, byte[]>> writes = writesOfACreation();
    int stride = (int) FullTests.size(40, 1);
    int killed = 0;
    for (int at = 0; at < writes.size(); at++) {
      String kind = writes.get(at).getKey();
      int length = writes.get(at).getValue().length;
      boolean renamed = kind.equals("secret") || kind.equals("head");
      for (int bytes = renamed ? length : 0; bytes <= length; bytes++) {
        if (bytes % stride == 0 || bytes >= length - 1) {
          Path state = folder.resolve("killed-" + killed++);
          writeUpTo(
              state, writes.subList(0, at), kind, Arrays.copyOf(writes.get(at).getValue(), bytes));
          requireWorkingAccount(state, kind + " " + bytes);
        }
      }
    }
    assertTrue(killed >= 20, "points " + killed);
  }

  private static void writeUpTo(
      Path state, List<Map.Entry<String, byte[]>> done, String kind, byte[] part)
      throws IOException {
    Files.createDirectory(
        state, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    for (Map.Entry<String, byte[]> write : done) {
      Files.write(state.resolve(NAME + "." + write.getKey()), write.getValue());
      if (!write.getKey().endsWith(".new")) {
        Files.deleteIfExists(state.resolve(NAME + "." + write.getKey() + ".new"));
      }
    }
    Files.write(state.resolve(NAME + "." + kind), part);
    if (!kind.endsWith(".new")) {
      Files.deleteIfExists(state.resolve(NAME + "." + kind + ".new"));
    }
  }

  private static void requireWorkingAccount(Path state, String point) {
    try (Ledger ledger = openOrCreate(state)) {
      assertEquals(1, ledger.records().size(), point);
      assertEquals(ProtectedUnit.RECORD, ledger.genesis().unit(), point);
      ledger.setCap(1, 1e-6);
    }
    assertEquals(Ledger.State.INTACT, Ledger.verify(state, NAME).state(), point);
    try (Ledger ledger = openOrCreate(state)) {
      assertEquals(2, ledger.records().size(), point);
    }
  }

  private static Set<String> fingerprints(List<LedgerRecord> records) {
    Set<String> fingerprints = new HashSet<>();
    for (LedgerRecord record : records) {
      if (record instanceof LedgerRecord.RunStart start) {
        assertTrue(fingerprints.add(start.keyFingerprint()), "a key came back");
      }
    }
    return fingerprints;
  }

  /** The releases that became known before the process died. */
  private static List<String> runAndKill(Path state, int afterSteps) throws IOException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Trainer.class.getName(),
                state.toString())
            .redirectErrorStream(true)
            .start();
    List<String> releases = new ArrayList<>();
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        boolean whole = line.matches("released [0-9a-f]{16} \\d+");
        assertTrue(whole || releases.size() >= afterSteps, line);
        if (whole) {
          releases.add(line);
        }
        if (releases.size() == afterSteps) {
          process.toHandle().destroyForcibly();
        }
      }
      return releases;
    } finally {
      process.destroyForcibly();
    }
  }
}
