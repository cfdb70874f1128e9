package palimpsest.synth;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.privacy.LedgerRecord;
import palimpsest.synth.text.InputException;

/**
 * The private folder of one unfinished run, of mode 0700: the training state and which runs of the
 * ledger paid for it. It is found by the output folder's path, holds no record, batch or key, and
 * is removed when the run is done.
 */
final class RunState {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");
  private static final String SETTINGS = "settings";
  private static final String LEDGER_RUNS = "ledger-runs";

  private final Path folder;
  private final List<String> ledgerRuns = new ArrayList<>();

  private RunState(Path folder) {
    this.folder = folder;
  }

  /**
   * The private state directory: {@code $XDG_STATE_HOME/palimpsest}, else under {@code
   * ~/.local/state}.
   */
  static Path standardRoot() {
    String xdg = System.getenv("XDG_STATE_HOME");
    Path base =
        xdg != null && !xdg.isBlank()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".local", "state");
    return base.resolve("palimpsest");
  }

  /** Makes a directory for the owner alone. */
  static Path privateDirectory(Path path) {
    try {
      Files.createDirectories(path, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      if (!Files.getPosixFilePermissions(path).equals(OWNER_ONLY)) {
        throw new InputException(path + " must be open to its owner alone: chmod 700 " + path);
      }
      return path;
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": the private state directory cannot be made", e);
    }
  }

  /**
   * The state of the run that writes {@code output}: new, or with {@code resume} the one that was
   * interrupted.
   *
   * @param settings everything public that the run follows from; a resumed run must have the same
   */
  static RunState open(Path root, Path output, String settings, boolean resume) {
    String name = hash(output.toAbsolutePath().normalize().toString()).substring(0, 24);
    Path folder =
        privateDirectory(privateDirectory(privateDirectory(root).resolve("runs")).resolve(name));
    RunState state = new RunState(folder);
    boolean unfinished = Files.exists(state.file());
    if (unfinished && !resume) {
      throw new InputException(
          "an unfinished run for "
              + output
              + " exists; continue it with --resume or forget it with --discard");
    }
    if (!unfinished && resume) {
      throw new InputException("there is no unfinished run for " + output + " to resume");
    }
    if (unfinished) {
      state.read(hash(settings));
    } else {
      state.write(hash(settings));
    }
    return state;
  }

  /** Forgets an interrupted run. What it paid stays paid. */
  static void discard(Path root, Path output) {
    String name = hash(output.toAbsolutePath().normalize().toString()).substring(0, 24);
    AtomicFiles.deleteTree(root.resolve("runs").resolve(name));
  }

  private Path file() {
    return folder.resolve("run.properties");
  }

  /** Where the training state is kept. */
  Path checkpoint() {
    return folder.resolve("training.safetensors");
  }

  /** Records that a run of the ledger pays for this one; call it before the first step. */
  void paidBy(String ledgerRun, String settings) {
    ledgerRuns.add(ledgerRun);
    write(hash(settings));
  }

  /** Steps that the ledger counts for this run. */
  long stepsPaid(List<LedgerRecord> ledger) {
    return ledger.stream()
        .filter(
            record -> record instanceof LedgerRecord.Step step && ledgerRuns.contains(step.run()))
        .count();
  }

  /** Removes the folder: the run is done. */
  void close() {
    AtomicFiles.deleteTree(folder);
  }

  private void read(String settingsHash) {
    Properties properties = new Properties();
    try {
      properties.load(new StringReader(Files.readString(file())));
    } catch (IOException e) {
      throw new UncheckedIOException("the run's private state cannot be read", e);
    }
    if (!settingsHash.equals(properties.getProperty(SETTINGS))) {
      throw new InputException(
          "the interrupted run had other settings; resume it with the same ones");
    }
    String runs = properties.getProperty(LEDGER_RUNS, "");
    if (!runs.isEmpty()) {
      ledgerRuns.addAll(List.of(runs.split(",")));
    }
  }

  private void write(String settingsHash) {
    String text =
        SETTINGS
            + "="
            + settingsHash
            + "\n"
            + LEDGER_RUNS
            + "="
            + String.join(",", ledgerRuns)
            + "\n";
    AtomicFiles.file(file(), text.getBytes(StandardCharsets.UTF_8));
  }

  private static String hash(String text) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
