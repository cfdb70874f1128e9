package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;

/**
 * R38: a run that is killed at random moments and resumed each time never uses a (key, step) twice,
 * never pays less than it releases, and in the end has paid for exactly the steps that were
 * planned.
 */
class SynthesisCrashTest {
  private static final int STEPS = 200;

  @TempDir Path folder;

  /** The process that is killed. */
  static final class Victim {
    public static void main(String[] arguments) throws Exception {
      TinySetting setting = new TinySetting(Path.of(arguments[0]));
      boolean unfinished;
      Path runs = setting.state().resolve("runs");
      try (Stream<Path> states = Files.exists(runs) ? Files.walk(runs) : Stream.of()) {
        unfinished = states.anyMatch(path -> path.endsWith("run.properties"));
      }
      setting.run(8, STEPS, 4, unfinished, SynthesisListener.silent());
    }
  }

  @Test
  void killedAndResumedARunPaysForExactlyItsSteps() throws Exception {
    TinySetting setting = new TinySetting(folder);
    int kills = Boolean.getBoolean("palimpsest.test.full") ? 20 : 3;
    Random random = new Random(38);
    int interrupted = 0;
    for (int i = 0; i < kills; i++) {
      Process victim = start();
      awaitAStep(victim, setting);
      if (!victim.waitFor(random.nextInt(400), TimeUnit.MILLISECONDS)) {
        victim.destroyForcibly().waitFor();
        int paid = checkLedger(setting, STEPS);
        interrupted += paid > 0 && paid < STEPS ? 1 : 0;
      }
      if (Files.exists(setting.out())) {
        break;
      }
    }
    if (!Files.exists(setting.out())) {
      assertEquals(0, start().waitFor(), "the last resumption finishes the run");
    }
    assertEquals(STEPS, checkLedger(setting, STEPS), "every planned step was paid for, none twice");
    assertTrue(interrupted > 0, "at least one kill must fall into training");
    assertTrue(Files.exists(setting.out().resolve(Synthesis.STATEMENT_JSON)));
  }

  /** Waits until the process has made an update, or has ended. */
  private static void awaitAStep(Process victim, TinySetting setting) throws Exception {
    long started = System.currentTimeMillis();
    while (victim.isAlive()) {
      try (Stream<Path> files = Files.walk(setting.state())) {
        if (files.anyMatch(
            file ->
                file.endsWith("training.safetensors") && file.toFile().lastModified() >= started)) {
          return;
        }
      } catch (java.io.IOException | java.io.UncheckedIOException e) {
        // The state is being made or removed this moment.
      }
      Thread.sleep(5);
    }
  }

  private Process start() throws Exception {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--sun-misc-unsafe-memory-access=allow");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(Victim.class.getName());
    command.add(folder.toString());
    return new ProcessBuilder(command).inheritIO().start();
  }

  /** The number of steps paid for; whatever was interrupted, the records are consistent. */
  private static int checkLedger(TinySetting setting, int most) {
    Path directory = setting.state().resolve("ledgers");
    if (!Ledger.exists(directory, "notes")) {
      return 0;
    }
    Ledger.repair(directory, "notes");
    List<LedgerRecord> records = Ledger.read(directory, "notes");
    Set<String> keys = new HashSet<>();
    Set<Long> steps = new HashSet<>();
    int paid = 0;
    for (LedgerRecord record : records) {
      switch (record) {
        case LedgerRecord.RunStart start -> {
          assertTrue(keys.add(start.keyFingerprint()), "a key comes back");
          assertFalse(start.insecure());
        }
        case LedgerRecord.Step step -> {
          assertTrue(steps.add(step.step()), "step " + step.step() + " is paid for twice");
          paid++;
        }
        default -> {}
      }
    }
    assertTrue(paid <= most);
    return paid;
  }
}
