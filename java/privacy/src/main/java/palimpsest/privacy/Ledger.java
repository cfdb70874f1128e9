package palimpsest.privacy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import palimpsest.privacy.LedgerRecord.Cap;
import palimpsest.privacy.LedgerRecord.FileSeen;
import palimpsest.privacy.LedgerRecord.Genesis;
import palimpsest.privacy.LedgerRecord.Release;
import palimpsest.privacy.LedgerRecord.Repair;
import palimpsest.privacy.LedgerRecord.RunEnd;
import palimpsest.privacy.LedgerRecord.RunStart;
import palimpsest.privacy.LedgerRecord.Step;

/**
 * What a data set has paid so far: an append-only, hash-chained file of events, from which epsilon
 * is recomputed and never read.
 *
 * <p>Writing ahead: {@link Run#step} returns only when the step is on disk, and is called before
 * the update that it pays for. So a crash can lose an update that was paid for, never a payment. A
 * step that is made again after a crash, under a new key, is a second use of the data and is paid
 * for twice.
 *
 * <p>A line that was changed, moved, repeated, removed or added by someone without the secret
 * beside the ledger breaks the chain; a cut-off end disagrees with the sealed head file; a whole
 * older copy of both disagrees with the {@link LedgerHead} in a published statement. Whoever can
 * read the secret can forge it: it protects an honest owner against accidents and meddlers, not
 * others against the owner.
 *
 * <p>One ledger object holds the lock on its files; its methods may be called by several threads.
 */
public final class Ledger implements AutoCloseable {
  private final LedgerStore store;
  private final HeldLock lock;
  private final List<LedgerRecord> records;
  private LedgerHead head;
  private long length;
  private boolean failed;
  private Run current;

  private Ledger(LedgerStore store, HeldLock lock, LedgerChain chain) {
    this.store = store;
    this.lock = lock;
    this.records = new ArrayList<>(chain.records());
    this.head = chain.head();
    this.length = chain.completeBytes();
  }

  /** What {@link #verify} found. */
  public enum State {
    /** Every record is in place. */
    INTACT,
    /**
     * As intact, after a last line that a crash left half written and that paid for nothing: {@link
     * #repair} cuts it.
     */
    TORN,
    /** Records were changed or removed: what has been paid is unknown. */
    BROKEN
  }

  /**
   * The outcome of {@link #verify}.
   *
   * @param records complete records found, 0 if broken
   * @param problem one sentence unless intact
   */
  public record Verification(State state, long records, Optional<String> problem) {}

  /**
   * Opens the account of a new data set.
   *
   * @param directory private state directory; made with mode 0700 if missing
   * @param dataSet the owner's name for the data: the account follows it over files and versions
   * @throws IllegalArgumentException if the name is not one that a data set can have
   * @throws LedgerException if there is such an account already, or the directory is open to others
   */
  public static Ledger create(
      Path directory, String dataSet, ProtectedUnit unit, NeighbouringRelation relation) {
    Genesis genesis = new Genesis(dataSet, unit, relation);
    LedgerStore store = new LedgerStore(directory, dataSet);
    store.requirePrivateDirectory();
    return locked(
        store,
        lock -> {
          if (!unfinished(store)) {
            throw new LedgerException("there is an account of " + dataSet + " already; open it");
          }
          return begin(store, lock, genesis);
        });
  }

  /**
   * The account of a data set, ready for writing, whatever a crash left: makes a new account,
   * finishes one whose creation was cut short, {@linkplain #repair repairs} a half-written last
   * line, or opens what is there, and checks all of it.
   *
   * @param directory private state directory; made with mode 0700 if missing
   * @throws IllegalArgumentException if the name is not one that a data set can have
   * @throws LedgerException if it is in use or broken, or protects another unit or counts other
   *     neighbours than asked for
   */
  public static Ledger openOrCreate(
      Path directory, String dataSet, ProtectedUnit unit, NeighbouringRelation relation) {
    Genesis genesis = new Genesis(dataSet, unit, relation);
    LedgerStore store = new LedgerStore(directory, dataSet);
    store.requirePrivateDirectory();
    return locked(
        store,
        lock -> {
          if (unfinished(store)) {
            return begin(store, lock, genesis);
          }
          LedgerChain chain = checked(store, dataSet);
          requireSame((Genesis) chain.records().getFirst(), unit, relation);
          return mended(store, lock, chain);
        });
  }

  /**
   * Names of all accounts in a directory; none if there is no directory.
   *
   * @throws LedgerException if others can look into the directory
   */
  public static List<String> accounts(Path directory) {
    return LedgerStore.all(directory).stream().map(LedgerStore::dataSet).toList();
  }

  /**
   * The account in a directory whose ledger has seen a file of these very bytes, whatever the
   * file's name: the same data must not get a second account, since accounts are not added up. The
   * first by name, if several have. Data that was edited, sorted or cut is other bytes and is not
   * found. To open an account on the answer, be {@linkplain #exclusive alone} meanwhile.
   *
   * <p>A file's code is looked for as it stands in the lines, whatever else is wrong with them: a
   * broken account forgets no file, and holds up the work on no other data. One without its secret
   * knows none.
   *
   * @param sha256 of the file's bytes
   * @throws LedgerException if others can look into the directory
   */
  public static Optional<String> accountThatSaw(Path directory, byte[] sha256) {
    return LedgerStore.all(directory).stream()
        .filter(store -> saw(store, sha256))
        .map(LedgerStore::dataSet)
        .findFirst();
  }

  /**
   * Keeps others from opening accounts in a directory between a look at all of them and an entry in
   * one. Waits for whoever else is doing that.
   *
   * @param directory private state directory; made with mode 0700 if missing
   * @throws LedgerException if it is in use for long, or open to others
   */
  public static HeldLock exclusive(Path directory) {
    LedgerStore.requirePrivateDirectory(directory);
    try {
      return HeldLock.await(directory.resolve(".lock"));
    } catch (IOException e) {
      throw new LedgerException("its directory cannot be locked: " + directory, e);
    }
  }

  private static boolean saw(LedgerStore store, byte[] sha256) {
    try {
      String lines = new String(store.readLines(), StandardCharsets.ISO_8859_1);
      return lines.contains(store.hmacOf(sha256));
    } catch (LedgerException e) {
      return false;
    }
  }

  /**
   * Whether nothing was ever recorded: there is no account, or the crash of a {@link #create} left
   * its beginning. The sealed head of a paid record rules that out.
   */
  private static boolean unfinished(LedgerStore store) {
    return !store.exists() || store.readHead().count() == 0 && chain(store).records().isEmpty();
  }

  private static Ledger begin(LedgerStore store, HeldLock lock, Genesis genesis) {
    store.create();
    Ledger ledger = new Ledger(store, lock, chain(store));
    ledger.append(genesis);
    return ledger;
  }

  /**
   * Cuts a torn last line and lets the head catch up: a crash between line and head leaves the head
   * one record behind, and that record counts. The lines are forced first, since the process that
   * wrote the last one may have died before it was on disk.
   */
  private static Ledger mended(LedgerStore store, HeldLock lock, LedgerChain chain) {
    Ledger ledger = new Ledger(store, lock, chain);
    try {
      store.cut(chain.completeBytes());
      store.writeHead(ledger.head);
    } catch (IOException e) {
      throw new LedgerException("what a crash may have left cannot be mended", e);
    }
    if (chain.tornBytes() > 0) {
      ledger.append(new Repair(chain.tornBytes()));
    }
    return ledger;
  }

  /** Takes the lock, and lets go of it if what follows fails. */
  private static Ledger locked(LedgerStore store, Function<HeldLock, Ledger> use) {
    HeldLock lock = store.lock();
    try {
      return use.apply(lock);
    } catch (RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /** Whether the directory holds an account of this data set, in whatever state. */
  public static boolean exists(Path directory, String dataSet) {
    return new LedgerStore(directory, dataSet).exists();
  }

  /**
   * Opens an existing account for writing and checks all of it.
   *
   * @throws LedgerException if it is missing, in use, broken, or needs {@link #repair}
   */
  public static Ledger open(Path directory, String dataSet) {
    LedgerStore store = openable(directory, dataSet);
    return locked(
        store,
        lock -> {
          LedgerChain chain = checked(store, dataSet);
          if (chain.tornBytes() > 0) {
            throw new LedgerException(
                "its last line is half written, as after a crash; repair the ledger of " + dataSet);
          }
          return mended(store, lock, chain);
        });
  }

  /**
   * Cuts a half-written last line, which a crash left and which never paid for anything because its
   * append did not return, and records the cut. Complete records are never removed, so the total
   * never falls.
   *
   * @return whether there was anything to cut
   * @throws LedgerException if the ledger is broken otherwise
   */
  public static boolean repair(Path directory, String dataSet) {
    LedgerStore store = openable(directory, dataSet);
    boolean[] torn = new boolean[1];
    locked(
            store,
            lock -> {
              LedgerChain chain = checked(store, dataSet);
              torn[0] = chain.tornBytes() > 0;
              return mended(store, lock, chain);
            })
        .close();
    return torn[0];
  }

  /** Checks every line against the chain and the sealed head. Read-only; needs no lock. */
  public static Verification verify(Path directory, String dataSet) {
    try {
      LedgerChain chain = checked(openable(directory, dataSet), dataSet);
      int count = chain.records().size();
      return chain.tornBytes() == 0
          ? new Verification(State.INTACT, count, Optional.empty())
          : new Verification(
              State.TORN, count, Optional.of("ledger: its last line is half written"));
    } catch (LedgerException e) {
      return new Verification(State.BROKEN, 0, Optional.of(e.getMessage()));
    }
  }

  /**
   * The same, and checks that the ledger still holds everything up to the head in a published
   * statement: an older copy put back in its place does not.
   */
  public static Verification verify(Path directory, String dataSet, LedgerHead published) {
    Verification found = verify(directory, dataSet);
    if (found.state() == State.BROKEN
        || chain(new LedgerStore(directory, dataSet)).contains(published)) {
      return found;
    }
    return new Verification(
        State.BROKEN,
        0,
        Optional.of("ledger: it does not hold the records up to the published head"));
  }

  /**
   * All records of an account, read-only, without a lock. Throws {@link LedgerException} if it is
   * broken.
   */
  public static List<LedgerRecord> read(Path directory, String dataSet) {
    return checked(openable(directory, dataSet), dataSet).records();
  }

  private static LedgerStore openable(Path directory, String dataSet) {
    LedgerStore store = new LedgerStore(directory, dataSet);
    if (!store.exists()) {
      throw new LedgerException("there is no account of " + dataSet + " in " + directory);
    }
    store.requirePrivateDirectory();
    return store;
  }

  private static LedgerChain chain(LedgerStore store) {
    return LedgerChain.read(store.readLines(), store.secret());
  }

  /**
   * Reads and checks all of it. Without the lock a run may be appending meanwhile, so the lines are
   * at least those of the head before them, and at most one more than those of the head after.
   */
  private static LedgerChain checked(LedgerStore store, String dataSet) {
    LedgerHead sealed = store.readHead();
    LedgerChain chain = chain(store);
    if (!chain.contains(sealed)) {
      throw new LedgerException("records at its end were removed or replaced");
    }
    if (chain.head().count() > store.readHead().count() + 1) {
      throw new LedgerException("its head file is older than its last records");
    }
    if (chain.records().isEmpty()) {
      throw new LedgerException(
          "it was never finished, and nothing was paid; the next run finishes it");
    }
    if (!(chain.records().getFirst() instanceof Genesis g && g.dataSet().equals(dataSet))) {
      throw new LedgerException("its first record names another data set");
    }
    events(chain.records());
    return chain;
  }

  private void append(LedgerRecord record) {
    if (failed || !lock.isOpen()) {
      throw new LedgerException("it is closed, or an earlier write failed; open it again");
    }
    String line = LedgerChain.line(record, head, store.secret());
    try {
      failed = true;
      LedgerHead newHead = LedgerChain.headAfter(line, head);
      store.append(length, line, newHead);
      head = newHead;
      length += line.length();
      records.add(record);
      failed = false;
    } catch (IOException e) {
      throw new LedgerException("a record cannot be written; nothing may be released", e);
    }
  }

  /** What the account is about. */
  public Genesis genesis() {
    return (Genesis) records.getFirst();
  }

  /** All records so far. */
  public synchronized List<LedgerRecord> records() {
    return List.copyOf(records);
  }

  /** The end of the chain, for a statement. */
  public synchronized LedgerHead head() {
    return head;
  }

  /** The owner's limit in force. */
  public synchronized Optional<Cap> cap() {
    return records.stream().filter(Cap.class::isInstance).map(Cap.class::cast).reduce((a, b) -> b);
  }

  /**
   * Sets the owner's limit on the total of all runs, past and future, in place of the one in force,
   * which stays visible in the records. Raising a limit takes a protection away: let that be an act
   * of the owner for its own sake, never the side effect of a run (compare with {@link #cap}).
   */
  public synchronized void setCap(double epsilon, double delta) {
    if (current != null) {
      throw new LedgerException("end the current run before the cap changes");
    }
    append(new Cap(epsilon, delta));
  }

  /**
   * Records that a run reads a data file. A run records it whether or not the account knows the
   * file: the number of records is published, and must not tell whether the data changed.
   *
   * @param sha256 of the bytes that were read, taken while they were read
   */
  public synchronized void fileSeen(byte[] sha256) {
    append(new FileSeen(fileCode(sha256)));
  }

  /**
   * The account's code of a data file, 64 hexadecimal digits. It tells equal files, and nothing
   * else.
   *
   * @param sha256 of the file's bytes
   */
  public String fileCode(byte[] sha256) {
    return store.hmacOf(sha256);
  }

  /** What the recorded events cost, at {@code delta}. */
  public synchronized EpsilonBracket spent(double delta) {
    return price(events(records), delta);
  }

  /** What any run of the account declared public: it qualifies every total. */
  public static Set<Waiver> waivers(List<LedgerRecord> records) {
    return records.stream()
        .filter(RunStart.class::isInstance)
        .flatMap(record -> ((RunStart) record).terms().waivers().stream())
        .collect(Collectors.toCollection(() -> EnumSet.noneOf(Waiver.class)));
  }

  /** The account as it stands, for a statement. */
  public synchronized Statement.Account account(double delta) {
    return new Statement.Account(spent(delta), waivers(records), head);
  }

  private EpsilonBracket price(List<PrivacyEvent> events, double delta) {
    if (events.isEmpty()) {
      return new EpsilonBracket(0, 0, 0);
    }
    return Accountant.of(genesis().relation(), events).epsilon(delta);
  }

  /**
   * The events that a list of records paid for: the steps that were written, not those that were
   * planned, each as often as it was written. A step or release under an insecure key counts as one
   * without noise.
   */
  public static List<PrivacyEvent> events(List<LedgerRecord> records) {
    Map<String, RunStart> runs = new LinkedHashMap<>();
    Map<String, Long> steps = new LinkedHashMap<>();
    List<PrivacyEvent> events = new ArrayList<>();
    for (LedgerRecord record : records) {
      switch (record) {
        case RunStart start -> {
          requireSame(genesis(records), start.spec().unit(), start.spec().relation());
          requireSameRows(records, start.terms().rows());
          if (runs.put(start.run(), start) != null) {
            throw new LedgerException("two runs have one name");
          }
        }
        case Step step -> steps.merge(step.run(), 1L, Long::sum);
        case Release release -> events.add(charged(runs.get(release.run()), release.event()));
        case Genesis _, Cap _, FileSeen _, RunEnd _, Repair _ -> {}
      }
    }
    steps.forEach((run, count) -> events.add(chargedSteps(runs.get(run), count)));
    return List.copyOf(events);
  }

  private static Genesis genesis(List<LedgerRecord> records) {
    if (records.getFirst() instanceof Genesis genesis) {
      return genesis;
    }
    throw new LedgerException("its first record does not name the data set");
  }

  private static PrivacyEvent chargedSteps(RunStart start, long count) {
    requireRun(start);
    return charged(start, new PrivacyEvent.PoissonGaussian(start.spec(), count));
  }

  /** What an event of a run costs: under a key that others know it is one without noise. */
  private static PrivacyEvent charged(RunStart start, PrivacyEvent event) {
    requireRun(start);
    return start.insecure()
        ? new PrivacyEvent.PoissonGaussian(start.spec().withoutNoise(), event.count())
        : event;
  }

  private static void requireRun(RunStart start) {
    if (start == null) {
      throw new LedgerException("a step or a release belongs to no run");
    }
  }

  /**
   * A run that goes on from another is the rest of that one, so that the steps of a whole release
   * are at most those that it was planned with, and what it released besides is not released again,
   * whatever a caller remembers of it.
   */
  private void requireRemainder(RunTerms terms, List<PrivacyEvent> releases) {
    if (terms.first().isEmpty()) {
      return;
    }
    String first = terms.first().get();
    List<RunStart> release =
        records.stream()
            .filter(record -> record instanceof RunStart start && start.first().equals(first))
            .map(RunStart.class::cast)
            .toList();
    if (release.isEmpty() || !release.getFirst().run().equals(first)) {
      throw new LedgerException("the run to go on from is none of this account's");
    }
    MechanismSpec planned = release.getFirst().spec();
    Set<String> names = release.stream().map(RunStart::run).collect(Collectors.toSet());
    long paid =
        records.stream()
            .filter(record -> record instanceof Step step && names.contains(step.run()))
            .count();
    if (!terms.spec().withSteps(planned.steps()).equals(planned)) {
      throw new LedgerException("a run goes on with the mechanism that it began with");
    }
    if (!releases.isEmpty()
        && records.stream().anyMatch(r -> r instanceof Release x && names.contains(x.run()))) {
      throw new PrivacyBudgetException("refused: the run to go on from has released already");
    }
    if (terms.spec().steps() > planned.steps() - paid) {
      throw new PrivacyBudgetException(
          "refused: more steps than are left of the run to go on from");
    }
  }

  /** Begins a training run that releases nothing but its updates. */
  public Run startRun(MechanismSpec spec, SecretKey key) {
    return startRun(RunTerms.of(spec), List.of(), key);
  }

  /**
   * Begins a training run, if all that it plans stays under the cap.
   *
   * @param terms their relation, unit and rows must be those of the account
   * @param releases what the run will {@linkplain Run#release release} besides its updates
   * @param key the run's key: never one that an earlier run had, unless insecure
   * @throws PrivacyBudgetException if the total after all planned steps and releases would pass the
   *     owner's cap, or more is asked for than is left of the run to go on from
   * @throws LedgerException if that run is none of the account's, or had another mechanism
   */
  public synchronized Run startRun(RunTerms terms, List<PrivacyEvent> releases, SecretKey key) {
    requireSame(genesis(), terms.spec().unit(), terms.spec().relation());
    requireSameRows(terms.rows());
    requireRemainder(terms, releases);
    if (current != null) {
      throw new LedgerException("end the current run before the next one");
    }
    String fingerprint = key.fingerprint();
    boolean used =
        records.stream()
            .anyMatch(r -> r instanceof RunStart s && s.keyFingerprint().equals(fingerprint));
    if (used && !key.insecure()) {
      throw new LedgerException("an earlier run had this key: its noise would be repeated");
    }
    Run run =
        new Run(new RunStart(runName(), fingerprint, key.insecure(), terms), List.copyOf(releases));
    requireUnderCap(run.planned());
    append(run.start);
    current = run;
    return current;
  }

  /** Costs of different units or relations do not add up to a cost of either. */
  private static void requireSame(
      Genesis genesis, ProtectedUnit unit, NeighbouringRelation relation) {
    String account = "the account " + genesis.dataSet();
    if (unit != genesis.unit()) {
      throw new LedgerException(
          genesis.unit() == ProtectedUnit.USER
              ? account + " protects people: give --user and --max-records, as before"
              : account + " protects records: leave out --user, as before");
    }
    if (relation != genesis.relation()) {
      throw new LedgerException(
          account
              + " counts neighbours by "
              + genesis.relation().words()
              + ", the run by "
              + relation.words()
              + ": use the account's");
    }
  }

  /**
   * Checks that a run reads the data as the account's earlier runs did; ask before anything is
   * recorded of it.
   *
   * @param rows as in {@link RunTerms}
   * @throws LedgerException if their costs would not add up
   */
  public synchronized void requireSameRows(String rows) {
    requireSameRows(records, rows);
  }

  /** Nor do costs of runs that take other things for a record, or for a person. */
  private static void requireSameRows(List<LedgerRecord> records, String own) {
    records.stream()
        .filter(RunStart.class::isInstance)
        .map(record -> ((RunStart) record).terms().rows())
        .filter(rows -> !rows.equals(own))
        .findFirst()
        .ifPresent(rows -> {
          throw new LedgerException(
              "the account "
                  + genesis(records).dataSet()
                  + " is of "
                  + rows
                  + ", the run of "
                  + own
                  + ": their costs do not add up; read the data as before");
        });
  }

  private void requireUnderCap(List<PrivacyEvent> further) {
    if (cap().isEmpty()) {
      return;
    }
    Cap cap = cap().get();
    List<PrivacyEvent> all = new ArrayList<>(events(records));
    all.addAll(further);
    double total = price(all, cap.delta()).upper();
    if (!(total <= cap.epsilon())) {
      String format = "refused: the total would be epsilon %.4g at delta %.3g, the cap is %.4g";
      throw new PrivacyBudgetException(
          String.format(Locale.ROOT, format, total, cap.delta(), cap.epsilon()));
    }
  }

  /** A name that no other run has: random, from a key that is used for nothing else. */
  private static String runName() {
    try (SecretKey random = SecretKey.fromOperatingSystem()) {
      return random.fingerprint();
    }
  }

  /** Lets go of the lock. Closing twice is harmless. */
  @Override
  public synchronized void close() {
    lock.close();
  }

  /** Names the data set only. */
  @Override
  public String toString() {
    return "Ledger[" + genesis().dataSet() + "]";
  }

  /** A training run in the ledger. */
  public final class Run {
    private final RunStart start;
    private final List<PrivacyEvent> releases;
    private long steps;
    private long lastStep = -1;

    private Run(RunStart start, List<PrivacyEvent> releases) {
      this.start = start;
      this.releases = new ArrayList<>(releases);
    }

    /** What the ledger says of the run. */
    public RunStart start() {
      return start;
    }

    /**
     * Pays for one noisy update; call it before anything of the step is released. Returns when the
     * payment is on disk.
     *
     * @param step number of the step in the run's random streams; greater than any before, because
     *     a (key, step) gives the same noise
     * @throws PrivacyBudgetException if all planned steps are used
     * @throws LedgerException if the step number was used, the run is over or the record cannot be
     *     written
     */
    public void step(long step) {
      synchronized (Ledger.this) {
        requireCurrent();
        if (step <= lastStep) {
          throw new LedgerException("a step number comes back: its noise would be repeated");
        }
        if (steps >= start.spec().steps()) {
          throw new PrivacyBudgetException("refused: all planned steps of the run are used");
        }
        append(new Step(start.run(), step));
        steps++;
        lastStep = step;
      }
    }

    /**
     * Pays for a noisy quantity of the whole data set, such as label counts; call it before
     * anything of it is released. Returns when the payment is on disk.
     *
     * @param what a public word of letters, digits and dashes
     * @param event one of those that the run was started with, each once
     * @throws PrivacyBudgetException if the run was not started with it
     * @throws LedgerException if the run is over or the record cannot be written
     */
    public void release(String what, PrivacyEvent event) {
      synchronized (Ledger.this) {
        requireCurrent();
        if (!releases.remove(event)) {
          throw new PrivacyBudgetException("refused: the run was not started with this release");
        }
        append(new Release(start.run(), what, event));
      }
    }

    /** All that a new run will cost. */
    private List<PrivacyEvent> planned() {
      List<PrivacyEvent> planned = new ArrayList<>();
      planned.add(chargedSteps(start, start.spec().steps()));
      releases.forEach(event -> planned.add(charged(start, event)));
      return planned;
    }

    /** Steps paid for by this run. */
    public long steps() {
      synchronized (Ledger.this) {
        return steps;
      }
    }

    /** Ends the run, whose steps are made. One that is given up has no end. */
    public void end() {
      synchronized (Ledger.this) {
        requireCurrent();
        append(new RunEnd(start.run()));
        current = null;
      }
    }

    private void requireCurrent() {
      if (current != this) {
        throw new LedgerException("the run is over");
      }
    }
  }
}
