package palimpsest.synth;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Sha256;
import palimpsest.privacy.HeldLock;
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
  private static final String RUN = "run";
  private static final String LABEL_COUNTS = "label-counts";

  private final Path folder;
  private final HeldLock lock;
  private Optional<String> run = Optional.empty();
  private String settings;
  private String data;
  private Optional<long[]> labelCounts = Optional.empty();

  private RunState(Path folder, HeldLock lock) {
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
   * @throws InputException if an unfinished run is not to be resumed, there is none to resume, it
   *     had other settings, or its state is damaged
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
      // Of a process that was killed while it saved: as large as the training state.
      AtomicFiles.removeLeftovers(checkpoint());
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
    try (HeldLock _ = lock(folder, output)) {
      remove(folder);
    }
  }

  /**
   * The lock file lies beside the folder and stays, so that no two processes hold different ones.
   */
  private static HeldLock lock(Path folder, Path output) {
    try {
      return HeldLock.tryHold(folder.resolveSibling(folder.getFileName() + ".lock"))
          .orElseThrow(
              () -> new InputException("a run for " + output + " is going on; wait for it"));
    } catch (IOException e) {
      throw new UncheckedIOException("the run's lock cannot be taken", e);
    }
  }

  private static Path file(Path folder) {
    return folder.resolve("run.properties");
  }

  /** Whether the ledger was paid for any of its steps: then there is something to go on from. */
  boolean isPaidFor() {
    return run.isPresent();
  }

  /**
   * Names this run, over all its processes: the first run of the ledger that paid for it.
   *
   * @throws IllegalStateException if none has
   */
  String name() {
    return run.orElseThrow(
        () -> new IllegalStateException("a run has no name before it is paid for"));
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

  /** The name, if the ledger was paid already: what a run that goes on with this one states. */
  Optional<String> first() {
    return run;
  }

  /**
   * Records which run of the ledger pays for this one; call it before the first step. Which runs
   * pay for what goes on from it, the ledger knows: this folder may come back from a backup that
   * knows less.
   *
   * @param dataCode the ledger's code of the data file
   */
  void paidBy(LedgerRecord.RunStart start, String dataCode) {
    data = dataCode;
    run = Optional.of(start.first());
    StateFolder.make(folder);
    write();
  }

  /** Keeps the released label counts. */
  void keepLabelCounts(long[] noisyCounts) {
    labelCounts = Optional.of(noisyCounts.clone());
    write();
  }

  /** The released label counts, unless there are none or a crash took them. */
  Optional<long[]> labelCounts() {
    return labelCounts.map(long[]::clone);
  }

  private void write() {
    StringBuilder text = new StringBuilder();
    text.append(SETTINGS).append('=').append(settings).append('\n');
    text.append(DATA).append('=').append(data).append('\n');
    text.append(RUN).append('=').append(name()).append('\n');
    labelCounts.ifPresent(counts ->
        text.append(LABEL_COUNTS)
            .append('=')
            .append(Arrays.stream(counts).mapToObj(Long::toString).collect(Collectors.joining(",")))
            .append('\n'));
    AtomicFiles.file(file(folder), text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** The runs of the ledger that paid for this one. */
  private List<LedgerRecord.RunStart> payers(List<LedgerRecord> ledger) {
    return ledger.stream()
        .filter(LedgerRecord.RunStart.class::isInstance)
        .map(LedgerRecord.RunStart.class::cast)
        .filter(start -> run.equals(Optional.of(start.first())))
        .toList();
  }

  private Set<String> payerNames(List<LedgerRecord> ledger) {
    return payers(ledger).stream().map(LedgerRecord.RunStart::run).collect(Collectors.toSet());
  }

  /** Steps that the ledger counts for this run. */
  long stepsPaid(List<LedgerRecord> ledger) {
    Set<String> payers = payerNames(ledger);
    return ledger.stream()
        .filter(record -> record instanceof LedgerRecord.Step step && payers.contains(step.run()))
        .count();
  }

  /** Whether the ledger holds a payment of this run for something besides its updates. */
  boolean hasReleased(List<LedgerRecord> ledger) {
    Set<String> payers = payerNames(ledger);
    return ledger.stream()
        .anyMatch(record ->
            record instanceof LedgerRecord.Release release && payers.contains(release.run()));
  }

  /** Whether the key of any of its processes was known to others. */
  boolean isInsecure(List<LedgerRecord> ledger) {
    return payers(ledger).stream().anyMatch(LedgerRecord.RunStart::insecure);
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
    lock.close();
  }

  private void read() {
    Properties properties = new Properties();
    try {
      properties.load(new StringReader(Files.readString(file(folder))));
    } catch (CharacterCodingException | IllegalArgumentException _) {
      throw damaged();
    } catch (IOException e) {
      throw new UncheckedIOException("the run's private state cannot be read", e);
    }
    if (!settings.equals(properties.getProperty(SETTINGS))) {
      throw new InputException(
          "the interrupted run had other settings; resume it with the same ones");
    }
    data = properties.getProperty(DATA);
    run = Optional.ofNullable(properties.getProperty(RUN));
    if (data == null || run.isEmpty()) {
      throw damaged();
    }
    labelCounts = Optional.ofNullable(properties.getProperty(LABEL_COUNTS)).map(RunState::counts);
  }

  private static long[] counts(String text) {
    try {
      return Arrays.stream(text.split(",")).mapToLong(Long::parseLong).toArray();
    } catch (NumberFormatException _) {
      throw damaged();
    }
  }

  private static InputException damaged() {
    return new InputException("the run's private state is damaged; forget it with --discard");
  }

  private static String hash(String text) {
    return Sha256.of(text.getBytes(StandardCharsets.UTF_8));
  }
}
