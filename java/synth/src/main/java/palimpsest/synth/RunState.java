package palimpsest.synth;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Sha256;
import palimpsest.privacy.LedgerRecord;
import palimpsest.synth.text.InputException;

/**
 * The private folder of one unfinished run, of mode 0700: the training state and which runs of the
 * ledger paid for it. It is found by the output folder's path, holds no record, batch or key, comes
 * into being just before the first step is paid, and is removed when the run is done. One process
 * at a time holds it.
 */
final class RunState implements AutoCloseable {
  private static final String SETTINGS = "settings";
  private static final String DATA = "data";
  private static final String LEDGER_RUNS = "ledger-runs";

  private final Path folder;
  private final FileChannel lock;
  private final List<String> ledgerRuns = new ArrayList<>();
  private String settings;
  private String data;

  private RunState(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  private static Path folder(Path root, Path output) {
    String name = hash(output.toAbsolutePath().normalize().toString()).substring(0, 24);
    return StateFolder.make(StateFolder.runs(StateFolder.make(root))).resolve(name);
  }

  /** Whether there is an unfinished run for {@code output}. */
  static boolean exists(Path root, Path output) {
    return Files.exists(root) && Files.exists(file(folder(root, output)));
  }

  /**
   * The state of the run that writes {@code output}: a new one, or with {@code resume} the one that
   * was interrupted.
   *
   * @param settings everything public that the run follows from; a resumed run must have the same
   * @throws InputException if an unfinished run is not to be resumed, there is none to resume, or
   *     it had other settings
   */
  static RunState open(Path root, Path output, String settings, boolean resume) {
    Path folder = folder(root, output);
    RunState state = new RunState(folder, lock(folder, output));
    try {
      state.begin(output, hash(settings), resume);
      return state;
    } catch (RuntimeException e) {
      state.close();
      throw e;
    }
  }

  private void begin(Path output, String settingsHash, boolean resume) {
    boolean unfinished = Files.exists(file(folder));
    if (unfinished && !resume) {
      throw new InputException(
          "an unfinished run for "
              + output
              + " exists; continue it with --resume or forget it with --discard");
    }
    if (!unfinished && resume) {
      throw new InputException("there is no unfinished run for " + output + " to resume");
    }
    settings = settingsHash;
    if (unfinished) {
      read();
    } else {
      // What a process that was killed at its start or its end left: no run may take it for its
      // own.
      remove(folder);
    }
  }

  /**
   * Forgets an interrupted run. What it paid stays paid.
   *
   * @throws InputException if it is going on
   */
  static void discard(Path root, Path output) {
    if (!exists(root, output)) {
      return;
    }
    Path folder = folder(root, output);
    try (FileChannel _ = lock(folder, output)) {
      remove(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("the run's lock cannot be released", e);
    }
  }

  /**
   * The lock file lies beside the folder and stays, so that no two processes hold different ones.
   */
  private static FileChannel lock(Path folder, Path output) {
    try {
      FileChannel channel =
          FileChannel.open(
              folder.resolveSibling(folder.getFileName() + ".lock"),
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE);
      FileLock held = tryLock(channel);
      if (held == null) {
        channel.close();
        throw new InputException("a run for " + output + " is going on; wait for it");
      }
      return channel;
    } catch (IOException e) {
      throw new UncheckedIOException("the run's lock cannot be taken", e);
    }
  }

  private static FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException _) {
      return null;
    }
  }

  private static Path file(Path folder) {
    return folder.resolve("run.properties");
  }

  /** Whether the ledger was paid for any of its steps: then there is something to go on from. */
  boolean isPaidFor() {
    return !ledgerRuns.isEmpty();
  }

  /**
   * Names this run, over all its processes: the first run of the ledger that paid for it.
   *
   * @throws IllegalStateException if none has
   */
  String name() {
    if (ledgerRuns.isEmpty()) {
      throw new IllegalStateException("a run has no name before it is paid for");
    }
    return ledgerRuns.getFirst();
  }

  /** Where the training state is kept. */
  Path checkpoint() {
    return folder.resolve("training.safetensors");
  }

  /**
   * Checks that a resumed run goes on with the data that it began with.
   *
   * @param dataCode the ledger's code of the data file
   * @throws InputException if the file has changed
   */
  void requireSameData(String dataCode) {
    if (data != null && !data.equals(dataCode)) {
      throw new InputException(
          "the data file has changed since the run began; restore it, or forget the run with --discard");
    }
  }

  /**
   * Records that a run of the ledger pays for this one; call it before the first step.
   *
   * @param dataCode the ledger's code of the data file
   */
  void paidBy(String ledgerRun, String dataCode) {
    data = dataCode;
    ledgerRuns.add(ledgerRun);
    StateFolder.make(folder);
    String text =
        "%s=%s\n%s=%s\n%s=%s\n"
            .formatted(SETTINGS, settings, DATA, data, LEDGER_RUNS, String.join(",", ledgerRuns));
    AtomicFiles.file(file(folder), text.getBytes(StandardCharsets.UTF_8));
  }

  /** Steps that the ledger counts for this run. */
  long stepsPaid(List<LedgerRecord> ledger) {
    return ledger.stream()
        .filter(
            record -> record instanceof LedgerRecord.Step step && ledgerRuns.contains(step.run()))
        .count();
  }

  /** Whether the key of any of its processes was known to others. */
  boolean isInsecure(List<LedgerRecord> ledger) {
    return ledger.stream()
        .anyMatch(record ->
            record instanceof LedgerRecord.RunStart start
                && ledgerRuns.contains(start.run())
                && start.insecure());
  }

  /** Removes the folder: the run is done. */
  void finish() {
    remove(folder);
  }

  /**
   * A training state without its list of payments belongs to nobody, and payments without their
   * training state are lost, so the folder goes whole: a process killed at any point leaves the run
   * or nothing that a later one looks at.
   */
  private static void remove(Path folder) {
    Path gone = folder.resolveSibling(folder.getFileName() + ".gone");
    AtomicFiles.deleteTree(gone);
    if (Files.exists(folder)) {
      try {
        Files.move(folder, gone, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        throw new UncheckedIOException("the run's private state cannot be removed", e);
      }
    }
    AtomicFiles.deleteTree(gone);
  }

  /** Lets go of the run; unless it is finished it can be resumed. */
  @Override
  public void close() {
    try {
      lock.close();
    } catch (IOException e) {
      throw new UncheckedIOException("the run's lock cannot be released", e);
    }
  }

  private void read() {
    Properties properties = new Properties();
    try {
      properties.load(new StringReader(Files.readString(file(folder))));
    } catch (IOException e) {
      throw new UncheckedIOException("the run's private state cannot be read", e);
    }
    if (!settings.equals(properties.getProperty(SETTINGS))) {
      throw new InputException(
          "the interrupted run had other settings; resume it with the same ones");
    }
    data = properties.getProperty(DATA);
    ledgerRuns.addAll(List.of(properties.getProperty(LEDGER_RUNS).split(",")));
  }

  private static String hash(String text) {
    return Sha256.of(text.getBytes(StandardCharsets.UTF_8));
  }
}
