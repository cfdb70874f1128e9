package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Safetensors;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;

/**
 * R38: a run that is killed at random moments, also while it starts, and resumed each time never
 * uses a (key, step) twice, never pays less than it releases, and in the end has paid for exactly
 * the steps that were planned.
 */
class SynthesisCrashTest {
  private static final boolean FULL = Boolean.getBoolean("palimpsest.test.full");

  private static final int KILLS = FULL ? 150 : 5;
  private static final int LATE_KILLS = FULL ? 50 : 5;

  /** Longest time that a killed process may train, and least time of one of its steps. */
  private static final int KILL_MILLIS = 120;

  private static final int STEP_MILLIS = 4;

  /** More than all killed processes can make together: the run never ends before its last kill. */
  private static final int STEPS = 20 + KILLS * (2 * KILL_MILLIS / STEP_MILLIS + 1);

  @TempDir Path folder;

  /** The process that is killed. Its arguments: folder, steps, least time of a step. */
  static final class Victim {
    public static void main(String[] arguments) throws Exception {
      TinySetting setting = new TinySetting(Path.of(arguments[0]));
      int steps = Integer.parseInt(arguments[1]);
      int stepMillis = Integer.parseInt(arguments[2]);
      SynthesisListener slow =
          new SynthesisListener() {
            @Override
            public void begin(String what, long steps) {}

            @Override
            public void done(long steps) {
              try {
                Thread.sleep(stepMillis);
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
            }
          };
      setting.runWithLabelCounts(steps, 4, unfinished(setting), slow);
    }
  }

  private static boolean unfinished(TinySetting setting) throws IOException {
    return stateFile(setting, "run.properties").isPresent();
  }

  /** A file of the run's private state, if it is there. */
  private static Optional<Path> stateFile(TinySetting setting, String name) throws IOException {
    Path runs = setting.state().resolve("runs");
    if (!Files.isDirectory(runs)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(runs)) {
      return folders.map(run -> run.resolve(name)).filter(Files::exists).findFirst();
    }
  }

  @Test
  @Tag("R38")
  void killedAndResumedARunPaysForExactlyItsSteps() throws Exception {
    TinySetting setting = new TinySetting(folder);
    Random random = new Random(38);
    Set<Long> counts = new HashSet<>();
    for (int kill = 1; kill <= KILLS; kill++) {
      Process victim = start(STEPS, STEP_MILLIS);
      // Every other kill falls while the process makes its ledger, its key and its first steps.
      boolean early = kill % 2 == 0;
      await(victim, early ? () -> ledgerBytes(setting) : () -> checkpointTime(setting));
      assertFalse(
          victim.waitFor(random.nextInt(early ? 20 : KILL_MILLIS), TimeUnit.MILLISECONDS),
          "the process ended by itself");
      victim.destroyForcibly().waitFor();
      long paid = checkLedger(setting, kill);
      assertTrue(paid < STEPS, "the kill came too late: " + paid);
      counts.add(paid);
    }
    // Every other kill is early, and may come before its process has paid for a step.
    assertTrue(counts.size() > KILLS / 3, "kills must fall into training: " + counts.size());
    assertFalse(Files.exists(setting.out()), "no output before the end");
    assertEquals(0, start(STEPS, 0).waitFor(), "the last resumption finishes the run");
    assertEquals(STEPS, checkLedger(setting, KILLS), "every planned step was paid for, none twice");
    assertTrue(Files.exists(setting.out().resolve(Synthesis.STATEMENT_JSON)));
    assertEquals(0, runFolders(setting), "the run's private state is gone");
  }

  /** Kills that fall after the last step: while it samples, writes, and removes its state. */
  @Test
  @Tag("R38")
  void killedAfterItsLastStepNothingIsHalfWrittenOrPaidAgain() throws Exception {
    TinySetting setting = new TinySetting(folder);
    Random random = new Random(39);
    int steps = 3;
    for (int kill = 1; kill <= LATE_KILLS; kill++) {
      Process victim = start(steps, 10);
      while (victim.isAlive() && stepLines(setting) < steps) {
        Thread.sleep(1);
      }
      victim.waitFor(random.nextInt(150), TimeUnit.MILLISECONDS);
      victim.destroyForcibly().waitFor();
      if (!Files.exists(setting.out())) {
        assertEquals(0, start(steps, 0).waitFor(), "the run is resumed");
      }
      assertTrue(Files.exists(setting.out().resolve(Synthesis.STATEMENT_TEXT)), "whole or absent");
      assertTrue(Files.exists(setting.out().resolve(Synthesis.RECORDS_JSONL)), "whole or absent");
      assertEquals(steps, stepsPaid(setting), "nothing is paid again");
      Synthesis.discard(setting.destination(false));
      assertEquals(0, runFolders(setting), "nothing is left for a later run to find");
      AtomicFiles.deleteTree(setting.out());
      AtomicFiles.deleteTree(setting.state());
    }
  }

  static long stepsPaid(TinySetting setting) {
    Path directory = setting.state().resolve("ledgers");
    return Ledger.exists(directory, "notes")
        ? Ledger.read(directory, "notes").stream()
            .filter(LedgerRecord.Step.class::isInstance)
            .count()
        : 0;
  }

  /** The steps in a ledger that another process may be writing. */
  private static long stepLines(TinySetting setting) throws IOException {
    Path file = ledgerFile(setting);
    return Files.exists(file)
        ? Files.readAllLines(file).stream().filter(line -> line.contains("\"step\"")).count()
        : 0;
  }

  /** How many runs have a folder of private state. */
  static long runFolders(TinySetting setting) throws IOException {
    Path runs = setting.state().resolve("runs");
    if (!Files.isDirectory(runs)) {
      return 0;
    }
    try (Stream<Path> folders = Files.list(runs)) {
      return folders.filter(Files::isDirectory).count();
    }
  }

  private interface Figure {
    long value() throws IOException;
  }

  private static long ledgerBytes(TinySetting setting) throws IOException {
    Path file = ledgerFile(setting);
    return Files.exists(file) ? Files.size(file) : 0;
  }

  private static Path ledgerFile(TinySetting setting) {
    return setting.state().resolve("ledgers").resolve("notes.ledger");
  }

  private static long checkpointTime(TinySetting setting) throws IOException {
    Optional<Path> checkpoint = stateFile(setting, "training.safetensors");
    return checkpoint.isPresent()
        ? Files.getLastModifiedTime(checkpoint.get()).to(TimeUnit.NANOSECONDS)
        : 0;
  }

  /** Waits until the process has changed a figure. */
  private static void await(Process victim, Figure figure) throws Exception {
    long before = figure.value();
    while (victim.isAlive() && figure.value() == before) {
      Thread.sleep(2);
    }
  }

  private Process start(int steps, int stepMillis) throws Exception {
    return victim(folder, steps, stepMillis).start();
  }

  /** A process that makes the run, or goes on with it. */
  static ProcessBuilder victim(Path folder, int steps, int stepMillis) {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--sun-misc-unsafe-memory-access=allow");
    command.add("-XX:TieredStopAtLevel=1");
    command.add("-Dpalimpsest.test.full=" + FULL);
    command.add("-XX:+UseSerialGC");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(Victim.class.getName());
    command.add(folder.toString());
    command.add(Integer.toString(steps));
    command.add(Integer.toString(stepMillis));
    return new ProcessBuilder(command).inheritIO();
  }

  /**
   * The number of steps paid for; whatever was interrupted, the records are consistent, the label
   * counts were paid for once at most and before the first step, and the saved state holds no
   * update that was not paid for.
   *
   * @param kills so far: each may lose one update that was paid for
   */
  static long checkLedger(TinySetting setting, int kills) throws IOException {
    Path directory = setting.state().resolve("ledgers");
    if (!Ledger.exists(directory, "notes")) {
      return 0;
    }
    Ledger.repair(directory, "notes");
    Map<String, String> keys = new HashMap<>();
    Set<Long> steps = new HashSet<>();
    Set<String> streams = new HashSet<>();
    int releases = 0;
    for (LedgerRecord record : Ledger.read(directory, "notes")) {
      switch (record) {
        case LedgerRecord.RunStart start -> {
          assertFalse(keys.containsValue(start.keyFingerprint()), "a key comes back");
          assertFalse(start.insecure());
          keys.put(start.run(), start.keyFingerprint());
        }
        case LedgerRecord.Release _ -> releases++;
        case LedgerRecord.Step step -> {
          assertEquals(1, releases, "label counts come first");
          assertTrue(steps.add(step.step()), "step " + step.step() + " is paid for twice");
          assertTrue(
              streams.add(keys.get(step.run()) + " " + step.step()), "a noise stream comes back");
        }
        default -> {}
      }
    }
    assertTrue(releases <= 1, "the label counts were paid for again");
    Optional<Path> checkpoint = stateFile(setting, "training.safetensors");
    if (checkpoint.isPresent()) {
      long updates = updates(checkpoint.get());
      assertTrue(
          updates <= steps.size() && steps.size() <= updates + kills,
          updates + " updates, " + steps.size() + " steps paid for, " + kills + " kills");
    }
    return steps.size();
  }

  private static long updates(Path checkpoint) {
    try (Safetensors saved = Safetensors.open(checkpoint)) {
      return Long.parseLong(saved.metadata().get("updates"));
    }
  }
}
