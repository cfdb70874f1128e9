package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.testing.FullTests;

class LedgerTest {
  private static final String NAME = "visits-2025";

  @TempDir Path folder;
  private Path state;

  @BeforeEach
  void setUp() {
    state = folder.resolve("state");
  }

  private static MechanismSpec spec(int steps) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 0.1, 100, 10_000, steps, 1e-6);
  }

  private Ledger create() {
    return Ledger.create(state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
  }

  private Ledger openOrCreate() {
    return Ledger.openOrCreate(state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
  }

  private Path lines() {
    return state.resolve(NAME + ".ledger");
  }

  private Path head() {
    return state.resolve(NAME + ".head");
  }

  private Ledger.State stateOfLedger() {
    return Ledger.verify(state, NAME).state();
  }

  /** Three steps of a run of five. */
  private void writeShortRun() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(5), key);
      for (int step = 0; step < 3; step++) {
        run.step(step);
      }
      run.end();
    }
  }

  private static List<PrivacyEvent> paid(MechanismSpec spec, long steps) {
    return List.of(new PrivacyEvent.PoissonGaussian(spec, steps));
  }

  @Test
  void recordsComeBackToTheBit() throws IOException {
    Path data = Files.writeString(folder.resolve("data.csv"), "text,label\n");
    MechanismSpec user =
        new MechanismSpec(
            NeighbouringRelation.REPLACE_ONE,
            0.1 + 0.2,
            1 / 3.0,
            -1,
            7,
            1e-9,
            11,
            ProtectedUnit.USER,
            4,
            false,
            new ClipRule.Flat());
    List<LedgerRecord> written;
    try (Ledger ledger =
        Ledger.create(state, NAME, ProtectedUnit.USER, NeighbouringRelation.REPLACE_ONE)) {
      ledger.setCap(Math.PI, 1e-7);
      ledger.setCap(1e9, 1e-7);
      ledger.fileSeen(digest(data));
      written = ledger.records();
      assertEquals(4, written.size());
    }
    try (Ledger ledger = Ledger.open(state, NAME)) {
      assertEquals(written, ledger.records());
      assertEquals(1e9, ledger.cap().orElseThrow().epsilon());
    }
    for (LedgerRecord record :
        List.of(
            new LedgerRecord.RunStart(
                "0123456789abcdef",
                "fedcba9876543210",
                true,
                new RunTerms(
                    user,
                    "rows of a CSV file, people by 'name'",
                    Set.of(Waiver.values()),
                    Optional.of("00000000000000ab"))),
            new LedgerRecord.Release(
                "00000000000000ab", "labels", new PrivacyEvent.Gaussian(0.7, 2)),
            new LedgerRecord.Release(
                "00000000000000ab", "size", new PrivacyEvent.DiscreteLaplace(0.01, 1)),
            new LedgerRecord.RunEnd("00000000000000ab"),
            new LedgerRecord.Repair(17))) {
      assertEquals(record, LedgerCodec.record(LedgerCodec.fields(record)));
    }
  }

  /** R23, R03: what is paid is what was written, step by step. */
  @Test
  @Tag("R23")
  void countsTheStepsThatWereWrittenNotThosePlanned() {
    writeShortRun();
    assertEquals(paid(spec(5), 3), Ledger.events(Ledger.read(state, NAME)));
  }

  /**
   * R38: a resumed run has a new key, pays again for the steps it repeats, and may not reuse a key
   * or a step number.
   */
  @Test
  void repeatedStepsArePaidTwiceAndKeysNeverComeBack() {
    writeShortRun();
    try (Ledger ledger = Ledger.open(state, NAME);
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run resumed = ledger.startRun(spec(5), key);
      resumed.step(1);
      resumed.step(2);
      assertThrows(LedgerException.class, () -> resumed.step(2));
      assertThrows(LedgerException.class, () -> resumed.step(0));
      assertThrows(LedgerException.class, () -> ledger.startRun(spec(5), key));
      assertThrows(LedgerException.class, () -> ledger.setCap(100, 1e-6));
      resumed.end();
      assertThrows(LedgerException.class, () -> resumed.step(9));
      assertThrows(LedgerException.class, () -> ledger.startRun(spec(5), key));
      assertEquals(
          List.of(
              new PrivacyEvent.PoissonGaussian(spec(5), 3),
              new PrivacyEvent.PoissonGaussian(spec(5), 2)),
          Ledger.events(ledger.records()));
    }
  }

  /** A run of so many steps that goes on from another. */
  private static RunTerms rest(MechanismSpec spec, String first) {
    return new RunTerms(spec, "records", Set.of(), Optional.of(first));
  }

  /** However often it is interrupted, a release has the steps that it was planned with. */
  @Test
  @Tag("R38")
  void aRunThatGoesOnIsTheRestOfTheFirst() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem();
        SecretKey second = SecretKey.fromOperatingSystem();
        SecretKey third = SecretKey.fromOperatingSystem()) {
      PrivacyEvent labels = new PrivacyEvent.Gaussian(10, 1);
      Ledger.Run first = ledger.startRun(RunTerms.of(spec(5)), List.of(labels), key);
      first.release("labels", labels);
      String name = first.start().run();
      for (int step = 0; step < 2; step++) {
        first.step(step);
      }
      first.end();
      assertSays(
          "none of this account's",
          () -> ledger.startRun(rest(spec(1), "0".repeat(16)), List.of(), second));
      MechanismSpec quieter =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.4, 0.1, 100, 10_000, 3, 1e-6);
      assertSays(
          "with the mechanism that it began with",
          () -> ledger.startRun(rest(quieter, name), List.of(), second));
      for (ClipRule other :
          List.of(
              new ClipRule.PerLayer(),
              new ClipRule.Automatic(0.01),
              new ClipRule.Quantile(0.5, 0.2, OptionalDouble.of(20)))) {
        assertSays(
            "with the mechanism that it began with",
            () -> ledger.startRun(rest(spec(3).withClipRule(other), name), List.of(), second));
      }
      assertThrows(
          PrivacyBudgetException.class,
          () -> ledger.startRun(rest(spec(4), name), List.of(), second));
      assertThrows(
          PrivacyBudgetException.class,
          () -> ledger.startRun(rest(spec(3), name), List.of(labels), second));
      Ledger.Run resumed = ledger.startRun(rest(spec(3), name), List.of(), second);
      resumed.step(3);
      resumed.end();
      assertSays(
          "none of this account's",
          () -> ledger.startRun(rest(spec(1), resumed.start().run()), List.of(), third));
      assertThrows(
          PrivacyBudgetException.class,
          () -> ledger.startRun(rest(spec(3), name), List.of(), third));
      assertEquals(
          2, ledger.startRun(rest(spec(2), name), List.of(), third).start().spec().steps());
    }
  }

  /** R22: no step past the plan that was priced. */
  @Test
  @Tag("R22")
  @Tag("R31")
  void refusesAStepPastThePlan() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(2), key);
      run.step(0);
      run.step(1);
      assertThrows(PrivacyBudgetException.class, () -> run.step(2));
      assertEquals(2, run.steps());
    }
  }

  @Test
  void refusesAnotherRelation() {
    MechanismSpec other =
        MechanismSpec.of(NeighbouringRelation.REPLACE_ONE, 1.5, 0.1, 100, 10_000, 5, 1e-6);
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      assertSays("counts neighbours by add-remove", () -> ledger.startRun(other, key));
    }
  }

  private static void assertSays(String words, Executable refused) {
    String message = assertThrows(LedgerException.class, refused).getMessage();
    assertTrue(message.contains(words), message);
  }

  private static MechanismSpec withoutNoise() {
    return MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 10, 100, 5, 1e-6);
  }

  /**
   * Runs by record cost less than runs by person. So neither may enter an account of the other, or
   * its statement would promise to people what only records were given; nor may a run without noise
   * or one that allows a person a single record.
   */
  @Test
  void anAccountOfPeopleRefusesRunsByRecord() {
    try (Ledger ledger =
            Ledger.create(state, NAME, ProtectedUnit.USER, NeighbouringRelation.ADD_REMOVE);
        SecretKey key = SecretKey.fromOperatingSystem()) {
      String says = "visits-2025 protects people: give --user";
      for (MechanismSpec byRecord : List.of(spec(5), withoutNoise())) {
        assertSays(says, () -> ledger.startRun(byRecord, key));
      }
      assertEquals(1, ledger.records().size(), "a refusal is not a payment");
      Ledger.Run run = ledger.startRun(spec(5).withUnit(ProtectedUnit.USER, 4), key);
      run.end();
    }
    assertSays(
        "visits-2025 protects people",
        () ->
            Ledger.openOrCreate(
                state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE));
  }

  @Test
  void anAccountOfRecordsRefusesRunsByPerson() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      String says = "visits-2025 protects records: leave out --user";
      for (MechanismSpec spec : List.of(spec(5), withoutNoise())) {
        for (int count : new int[] {1, 4}) {
          MechanismSpec byPerson = spec.withUnit(ProtectedUnit.USER, count);
          assertSays(says, () -> ledger.startRun(byPerson, key));
        }
      }
      assertEquals(1, ledger.records().size(), "a refusal is not a payment");
    }
    assertSays(
        "visits-2025 protects records",
        () ->
            Ledger.openOrCreate(state, NAME, ProtectedUnit.USER, NeighbouringRelation.ADD_REMOVE));
    assertSays(
        "counts neighbours by add-remove",
        () ->
            Ledger.openOrCreate(
                state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.REPLACE_ONE));
  }

  /** The statement of what the ledger holds names the unit that the ledger wrote down. */
  @Test
  void theUnitOfARunIsOnDisk() {
    MechanismSpec person = spec(5).withUnit(ProtectedUnit.USER, 1);
    try (Ledger ledger =
            Ledger.create(state, NAME, ProtectedUnit.USER, NeighbouringRelation.ADD_REMOVE);
        SecretKey key = SecretKey.fromOperatingSystem()) {
      ledger.startRun(person, key).end();
    }
    assertEquals(
        List.of(person),
        Ledger.read(state, NAME).stream()
            .filter(LedgerRecord.RunStart.class::isInstance)
            .map(r -> ((LedgerRecord.RunStart) r).spec())
            .toList());
  }

  /** A ledger that mixes units was not written by this class: what it costs is unknown. */
  @Test
  void recordsOfAnotherUnitHaveNoPrice() {
    LedgerRecord people =
        new LedgerRecord.Genesis(NAME, ProtectedUnit.USER, NeighbouringRelation.ADD_REMOVE);
    LedgerRecord run =
        new LedgerRecord.RunStart("0".repeat(16), "1".repeat(16), false, RunTerms.of(spec(5)));
    assertThrows(LedgerException.class, () -> Ledger.events(List.of(people, run)));
    assertThrows(LedgerException.class, () -> Ledger.events(List.of(run)));
    LedgerRecord records =
        new LedgerRecord.Genesis(NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
    assertEquals(List.of(), Ledger.events(List.of(records, run)));
  }

  private static RunTerms terms(String rows, Waiver... waivers) {
    return new RunTerms(spec(5), rows, Set.of(waivers), Optional.empty());
  }

  /** Who is a person, and what is a record, must be the same in every run whose costs are added. */
  @Test
  void runsThatReadTheDataOtherwiseDoNotAddUp() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem();
        SecretKey second = SecretKey.fromOperatingSystem()) {
      ledger.startRun(terms("rows of csv"), List.of(), key).end();
      assertSays(
          "visits-2025 is of rows of csv, the run of rows of tsv",
          () -> ledger.startRun(terms("rows of tsv"), List.of(), second));
      ledger.startRun(terms("rows of csv"), List.of(), second).end();
    }
    LedgerRecord genesis =
        new LedgerRecord.Genesis(NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
    List<LedgerRecord> mixed =
        List.of(
            genesis,
            new LedgerRecord.RunStart("0".repeat(16), "1".repeat(16), false, terms("a")),
            new LedgerRecord.RunStart("2".repeat(16), "3".repeat(16), false, terms("b")));
    assertThrows(LedgerException.class, () -> Ledger.events(mixed));
  }

  /** What one run declared public qualifies the total of all. */
  @Test
  void theTotalRemembersTheWaiversOfEveryRun() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem();
        SecretKey second = SecretKey.fromOperatingSystem()) {
      assertEquals(Set.of(), ledger.account(1e-6).waivers());
      ledger.startRun(terms("a", Waiver.SIZE_IS_PUBLIC), List.of(), key).end();
      ledger.startRun(terms("a"), List.of(), second).end();
      assertEquals(Set.of(Waiver.SIZE_IS_PUBLIC), ledger.account(1e-6).waivers());
    }
    assertEquals(Set.of(Waiver.SIZE_IS_PUBLIC), Ledger.waivers(Ledger.read(state, NAME)));
  }

  @Test
  void oneUserAtATime() {
    Ledger ledger = create();
    assertThrows(LedgerException.class, () -> Ledger.open(state, NAME));
    assertThrows(LedgerException.class, this::create);
    ledger.close();
    ledger.close();
    assertThrows(LedgerException.class, () -> ledger.setCap(1, 1e-6));
    Ledger.open(state, NAME).close();
    assertThrows(LedgerException.class, this::create);
  }

  @Test
  void aStepCanBeReadWhenItReturns() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(3), key);
      for (int step = 0; step < 3; step++) {
        run.step(step);
        List<LedgerRecord> read = Ledger.read(state, NAME);
        assertEquals(new LedgerRecord.Step(run.start().run(), step), read.getLast());
        assertEquals(Ledger.State.INTACT, stateOfLedger());
      }
    }
  }

  @Test
  void filesAreTheOwnersAlone() throws IOException {
    writeShortRun();
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(state)));
    try (Stream<Path> files = Files.list(state)) {
      for (Path file : files.toList()) {
        assertEquals(
            "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
      }
    }
    Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("rwxr-x---"));
    assertThrows(LedgerException.class, () -> Ledger.open(state, NAME));
  }

  @Test
  void followsNoLinks() throws IOException {
    writeShortRun();
    Path elsewhere = folder.resolve("elsewhere");
    Files.move(lines(), elsewhere);
    Files.createSymbolicLink(lines(), elsewhere);
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    Path link = Files.createSymbolicLink(folder.resolve("link"), state);
    assertThrows(LedgerException.class, () -> Ledger.open(link, NAME));
  }

  @Test
  void refusesNamesThatLeaveTheDirectory() {
    for (String name : List.of("", "../x", "a/b", ".hidden", "a\nb", "x".repeat(65), "a b")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> Ledger.create(state, name, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE));
    }
  }

  /** Its data must not get another account unasked. */
  @Test
  void anAccountThatLostAFileIsStillOne() throws IOException {
    writeShortRun();
    Files.delete(lines());
    assertEquals(List.of(NAME), Ledger.accounts(state));
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    assertThrows(LedgerException.class, this::openOrCreate);
  }

  /** Any changed byte is found. */
  @Test
  void detectsAnyChange() throws IOException {
    writeShortRun();
    byte[] good = Files.readAllBytes(lines());
    assertEquals(Ledger.State.INTACT, stateOfLedger());
    Random random = new Random(5);
    for (int at = 0; at < good.length; at += (int) FullTests.size(3, 1)) {
      byte[] bad = good.clone();
      bad[at] ^= (byte) (1 << random.nextInt(8));
      Files.write(lines(), bad);
      assertEquals(Ledger.State.BROKEN, stateOfLedger(), "byte " + at);
    }
    assertThrows(LedgerException.class, () -> Ledger.open(state, NAME));
  }

  @Test
  void detectsRemovalReorderingAndReplay() throws IOException {
    writeShortRun();
    List<String> good = Files.readAllLines(lines());
    for (int i = 0; i < good.size(); i++) {
      List<String> bad = new ArrayList<>(good);
      String line = bad.remove(i);
      assertBroken(bad, "removed " + i);
      bad.add(line);
      if (i < good.size() - 1) {
        assertBroken(bad, "moved " + i);
      }
      List<String> twice = new ArrayList<>(good);
      twice.add(i, line);
      assertBroken(twice, "repeated " + i);
    }
  }

  private void assertBroken(List<String> content, String how) throws IOException {
    Files.write(lines(), content);
    assertEquals(Ledger.State.BROKEN, stateOfLedger(), how);
    assertThrows(LedgerException.class, () -> Ledger.repair(state, NAME), how);
  }

  /** Each hash covers all before it: a record with a new hash of its own does not fit the next. */
  @Test
  void detectsARecordThatWasRewrittenWithItsHash() throws IOException {
    writeShortRun();
    List<String> good = Files.readAllLines(lines());
    List<LedgerRecord> records = Ledger.read(state, NAME);
    LedgerHead at = new LedgerHead(0, LedgerChain.ORIGIN);
    for (int i = 0; i < good.size(); i++) {
      if (records.get(i) instanceof LedgerRecord.Step step) {
        LedgerRecord other = new LedgerRecord.Step(step.run(), step.step() + 100);
        List<String> bad = new ArrayList<>(good);
        bad.set(i, LedgerChain.line(other, at, secret()).stripTrailing());
        assertBroken(bad, "rewritten " + i);
      }
      at = LedgerChain.headAfter(good.get(i) + "\n", at);
    }
  }

  private LedgerSecret secret() {
    return new LedgerStore(state, NAME).secret();
  }

  /** Lines that follow from those before, under this secret. */
  private String lines(LedgerHead after, LedgerSecret secret, LedgerRecord... records) {
    StringBuilder lines = new StringBuilder();
    LedgerHead at = after;
    for (LedgerRecord record : records) {
      String line = LedgerChain.line(record, at, secret);
      at = LedgerChain.headAfter(line, at);
      lines.append(line);
    }
    return lines.toString();
  }

  /**
   * Behind the sealed head a crash leaves one record; it counts, so it must be the account's own.
   */
  @Test
  void detectsRecordsAddedWithoutTheSecret() throws IOException {
    LedgerHead end;
    try (Ledger ledger = create()) {
      ledger.setCap(1, 1e-6);
      end = ledger.head();
    }
    byte[] good = Files.readAllBytes(lines());
    LedgerRecord raised = new LedgerRecord.Cap(1e6, 1e-6);
    LedgerSecret guessed = new LedgerSecret(new byte[SecretKey.BYTES]);
    Files.writeString(lines(), lines(end, guessed, raised), StandardOpenOption.APPEND);
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    assertThrows(LedgerException.class, () -> Ledger.open(state, NAME));

    Files.write(lines(), good);
    Files.writeString(lines(), lines(end, secret(), raised), StandardOpenOption.APPEND);
    assertEquals(Ledger.State.INTACT, stateOfLedger(), "as after a crash");
    Files.write(lines(), good);
    Files.writeString(lines(), lines(end, secret(), raised, raised), StandardOpenOption.APPEND);
    assertEquals(Ledger.State.BROKEN, stateOfLedger(), "no crash leaves two");
  }

  /** What is left of a ledger follows from its first record, but not from its head. */
  @Test
  void detectsARecomputedShorterChain() throws IOException {
    writeShortRun();
    List<LedgerRecord> kept = Ledger.read(state, NAME).subList(0, 4);
    StringBuilder forged = new StringBuilder();
    LedgerHead at = new LedgerHead(0, LedgerChain.ORIGIN);
    for (LedgerRecord record : kept) {
      String line = LedgerChain.line(record, at, secret());
      at = LedgerChain.headAfter(line, at);
      forged.append(line);
    }
    Files.writeString(lines(), forged);
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    String seal = Files.readString(head()).replaceAll(".*\"seal\":\"([0-9a-f]*)\".*\n", "$1");
    Files.writeString(
        head(),
        "{\"count\":%d,\"hash\":\"%s\",\"seal\":\"%s\"}\n".formatted(at.count(), at.hash(), seal));
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    Files.delete(head());
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    assertThrows(LedgerException.class, this::create);
    assertThrows(LedgerException.class, this::openOrCreate);
    Files.write(lines(), new byte[0]);
    assertThrows(LedgerException.class, this::create);
    assertThrows(LedgerException.class, this::openOrCreate);
  }

  @Test
  void aPublishedHeadDetectsAnOlderCopy() throws IOException {
    writeShortRun();
    byte[] oldLines = Files.readAllBytes(lines());
    byte[] oldHead = Files.readAllBytes(head());
    LedgerHead published;
    try (Ledger ledger = Ledger.open(state, NAME);
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(1), key);
      run.step(0);
      run.end();
      published = ledger.head();
      ledger.setCap(9, 1e-6);
    }
    assertEquals(Ledger.State.INTACT, Ledger.verify(state, NAME, published).state());
    Files.write(lines(), oldLines);
    Files.write(head(), oldHead);
    assertEquals(Ledger.State.INTACT, stateOfLedger());
    assertEquals(Ledger.State.BROKEN, Ledger.verify(state, NAME, published).state());
  }

  /**
   * A crash at any byte of an append: the records before it stay, the new one counts or is cut,
   * never less.
   */
  @Test
  void survivesACrashAtAnyByteOfAnAppend() throws IOException {
    writeShortRun();
    byte[] before = Files.readAllBytes(lines());
    byte[] headBefore = Files.readAllBytes(head());
    try (Ledger ledger = Ledger.open(state, NAME);
        SecretKey key = SecretKey.fromOperatingSystem()) {
      ledger.startRun(spec(1), key);
    }
    byte[] after = Files.readAllBytes(lines());
    long records = Ledger.read(state, NAME).size();
    int stride = (int) FullTests.size(13, 1);
    int last = after.length;
    int[] lengths =
        IntStream.rangeClosed(before.length, last)
            .filter(n -> (n - before.length) % stride == 0 || n >= last - 2)
            .toArray();
    for (int length : lengths) {
      Files.write(lines(), Arrays.copyOf(after, length));
      Files.write(head(), headBefore);
      boolean torn = length > before.length && length < after.length;
      assertEquals(torn ? Ledger.State.TORN : Ledger.State.INTACT, stateOfLedger());
      if (torn) {
        assertThrows(LedgerException.class, () -> Ledger.open(state, NAME));
      }
      assertEquals(torn, Ledger.repair(state, NAME));
      long expected = length == before.length ? records - 1 : records;
      assertEquals(expected, Ledger.read(state, NAME).size(), "length " + length);
      assertEquals(paid(spec(5), 3), Ledger.events(Ledger.read(state, NAME)));
      Ledger.open(state, NAME).close();
      byte[] repaired = Files.readAllBytes(lines());
      Files.write(lines(), Arrays.copyOf(after, length));
      Files.write(head(), headBefore);
      openOrCreate().close();
      assertArrayEquals(repaired, Files.readAllBytes(lines()), "length " + length);
      assertEquals(Ledger.State.INTACT, stateOfLedger());
    }
  }

  /** Bytes that were acknowledged cannot be cut as if they were torn. */
  @Test
  void repairNeverLowersTheTotal() throws IOException {
    writeShortRun();
    byte[] good = Files.readAllBytes(lines());
    for (int length = 0; length < good.length; length += (int) FullTests.size(5, 1)) {
      Files.write(lines(), Arrays.copyOf(good, length));
      assertEquals(Ledger.State.BROKEN, stateOfLedger(), "cut to " + length);
      assertThrows(LedgerException.class, () -> Ledger.repair(state, NAME));
      assertThrows(LedgerException.class, this::openOrCreate);
      assertEquals(length, Files.size(lines()));
    }
  }

  @Test
  void missingOrShortSecretIsAnError() throws IOException {
    writeShortRun();
    Path secret = state.resolve(NAME + ".secret");
    byte[] bytes = Files.readAllBytes(secret);
    Files.write(secret, Arrays.copyOf(bytes, 16));
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    Files.delete(secret);
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    assertThrows(LedgerException.class, this::create);
    assertThrows(LedgerException.class, this::openOrCreate);
    assertFalse(Files.exists(secret), "a lost secret is not replaced");
  }

  private static byte[] digest(Path file) throws IOException {
    try {
      return MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** The count of records is published: were it to grow with new content only, it would tell. */
  @Test
  void aFileIsRecordedWhetherOrNotItIsKnown() throws IOException {
    Path data = Files.writeString(folder.resolve("data.csv"), "text,label\n");
    try (Ledger ledger = create()) {
      for (int count = 2; count <= 4; count++) {
        ledger.fileSeen(digest(data));
        assertEquals(count, ledger.head().count());
      }
    }
  }

  @Test
  void fileCodesTellEqualFilesAndNothingElse() throws IOException {
    Path data = Files.writeString(folder.resolve("data.csv"), "text,label\n");
    try (Ledger ledger = create()) {
      ledger.fileSeen(digest(data));
      String code = ledger.fileCode(digest(data));
      assertEquals(new LedgerRecord.FileSeen(code), ledger.records().getLast());
      assertEquals(code, ledger.fileCode(digest(Files.copy(data, folder.resolve("copy.csv")))));
      Files.writeString(data, "text,label\nx,y\n");
      assertNotEquals(code, ledger.fileCode(digest(data)));
    }
    Path other = folder.resolve("other");
    try (Ledger ledger =
        Ledger.create(other, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      ledger.fileSeen(digest(data));
      assertNotEquals(
          Ledger.read(state, NAME).getLast(), ledger.records().getLast(), "codes are keyed");
    }
    assertFalse(Files.readString(lines()).contains("data.csv"));
  }

  @Test
  void aRenamedCopyFindsItsAccount() throws IOException {
    Path data = Files.writeString(folder.resolve("data.csv"), "text,label\nx,y\n");
    Path copy = Files.copy(data, folder.resolve("copy.csv"));
    Path other = Files.writeString(folder.resolve("other.csv"), "text,label\nx,z\n");
    assertEquals(Optional.empty(), Ledger.accountThatSaw(state, digest(copy)));
    assertFalse(Files.exists(state), "a question makes nothing");
    for (String name : List.of("b", "a", NAME)) {
      try (Ledger ledger =
          Ledger.create(state, name, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
        assertEquals(Optional.empty(), Ledger.accountThatSaw(state, digest(copy)));
        ledger.setCap(1, 1e-6);
      }
    }
    try (Ledger ledger = Ledger.open(state, NAME)) {
      ledger.fileSeen(digest(data));
      assertEquals(
          Optional.of(NAME), Ledger.accountThatSaw(state, digest(copy)), "while it is in use");
    }
    assertEquals(Optional.empty(), Ledger.accountThatSaw(state, digest(other)));
    Files.writeString(lines(), "{", StandardOpenOption.APPEND);
    assertEquals(Ledger.State.TORN, stateOfLedger());
    assertEquals(Optional.of(NAME), Ledger.accountThatSaw(state, digest(copy)));
    try (Ledger ledger = Ledger.open(state, "a")) {
      ledger.fileSeen(digest(other));
      ledger.fileSeen(digest(data));
    }
    assertEquals(Optional.of("a"), Ledger.accountThatSaw(state, digest(other)));
    assertEquals(Optional.of("a"), Ledger.accountThatSaw(state, digest(copy)), "the first by name");
  }

  /** Readers need no lock: what they find while a run appends is whole. */
  @Test
  void aLedgerInUseIsIntact() throws Exception {
    byte[] file = new byte[32];
    AtomicBoolean looked = new AtomicBoolean();
    try (Ledger ledger = create();
        ExecutorService run = Executors.newSingleThreadExecutor()) {
      ledger.fileSeen(file);
      Future<?> appends =
          run.submit(() -> {
            for (int caps = 0; !looked.get() && caps < 50_000; caps++) {
              ledger.setCap(1, 1e-6);
            }
          });
      try {
        for (int look = 0; look < 200; look++) {
          Ledger.Verification found = Ledger.verify(state, NAME);
          assertNotEquals(Ledger.State.BROKEN, found.state(), () -> found.problem().toString());
          assertEquals(Optional.of(NAME), Ledger.accountThatSaw(state, file));
        }
      } finally {
        looked.set(true);
        appends.get();
      }
    }
  }

  /** No line is written that would not be read. */
  @Test
  void aRecordThatNoLineHoldsIsRefused() {
    LedgerHead head = new LedgerHead(1, "0".repeat(64));
    LedgerSecret secret = new LedgerSecret(new byte[SecretKey.BYTES]);
    for (String hmac : List.of("", "x".repeat(64), "a".repeat(65), "a".repeat(5000))) {
      LedgerRecord record = new LedgerRecord.FileSeen(hmac);
      assertThrows(LedgerException.class, () -> LedgerChain.line(record, head, secret), hmac);
    }
  }

  @Test
  void termsThatNoLineHoldsAreRefused() {
    MechanismSpec spec = spec(5);
    for (String rows : List.of("", "K\u00e4ufer", "a\"b", "a\\b", "x".repeat(2001), "a\nb")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new RunTerms(spec, rows, Set.of(), Optional.empty()),
          rows);
    }
    for (String first : List.of("", "12", "0123456789abcdeg")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new RunTerms(spec, "rows", Set.of(), Optional.of(first)),
          first);
    }
  }

  /** A broken account forgets no file, and stands in the way of no other. */
  @Test
  void aBrokenAccountKeepsItsFiles() throws IOException {
    Path data = Files.writeString(folder.resolve("data.csv"), "text,label\nx,y\n");
    for (String name : List.of(NAME, "z")) {
      try (Ledger ledger =
          Ledger.create(state, name, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
        ledger.fileSeen(digest(data));
      }
    }
    Files.writeString(state.resolve("not a name.ledger"), "?");
    Files.writeString(state.resolve("half.ledger"), "");
    assertEquals(Optional.of(NAME), Ledger.accountThatSaw(state, digest(data)));
    Files.writeString(lines(), Files.readString(lines()).replace("RECORD", "USER"));
    assertEquals(Ledger.State.BROKEN, stateOfLedger());
    assertEquals(Optional.of(NAME), Ledger.accountThatSaw(state, digest(data)));
    assertEquals(Optional.empty(), Ledger.accountThatSaw(state, new byte[32]));
    Files.delete(state.resolve(NAME + ".secret"));
    assertEquals(Optional.of("z"), Ledger.accountThatSaw(state, digest(data)));
    Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("rwxr-x---"));
    assertThrows(LedgerException.class, () -> Ledger.accountThatSaw(state, digest(data)));
  }

  @Test
  void aWriteByAnotherHandStopsTheRun() throws IOException {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(5), key);
      run.step(0);
      byte[] good = Files.readAllBytes(lines());
      Files.write(lines(), Arrays.copyOf(good, good.length - 10));
      assertThrows(LedgerException.class, () -> run.step(1));
      Files.write(lines(), good);
      assertThrows(LedgerException.class, () -> run.step(1), "a failed ledger stays failed");
    }
  }

  /** Random bytes and random mutations: read or refused with a LedgerException, nothing else. */
  @Test
  void fuzzedLinesAreReadOrRefused() throws IOException {
    writeShortRun();
    byte[] good = Files.readAllBytes(lines());
    Random random = new Random(9);
    String alphabet = "{}\":,-0123456789abcdefnumberhashtype\n\\\u007f";
    for (int trial = 0; trial < 20_000; trial++) {
      byte[] bad = good.clone();
      int changes = 1 + random.nextInt(8);
      for (int c = 0; c < changes; c++) {
        bad[random.nextInt(bad.length)] = (byte) alphabet.charAt(random.nextInt(alphabet.length()));
      }
      if (random.nextInt(4) == 0) {
        bad = Arrays.copyOfRange(bad, random.nextInt(200), 200 + random.nextInt(bad.length - 200));
      }
      try {
        LedgerChain.read(bad, secret());
      } catch (LedgerException e) {
        assertTrue(e.getMessage().startsWith("ledger: line "), e.getMessage());
      }
    }
  }

  @Test
  void everyAcceptedTextIsCanonical() {
    Random random = new Random(10);
    String alphabet = "{}\":,-0129a \\";
    int accepted = 0;
    for (int trial = 0; trial < FullTests.size(150_000, 5_000_000); trial++) {
      StringBuilder text = new StringBuilder("{\"");
      int length = random.nextInt(12);
      for (int i = 0; i < length; i++) {
        text.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      try {
        assertEquals(text.toString(), FlatJson.write(FlatJson.read(text.toString())));
        accepted++;
      } catch (IllegalArgumentException e) {
        assertTrue(e.getMessage().startsWith("ledger line: not canonical"), e.getMessage());
      }
    }
    assertTrue(accepted > 5, "accepted " + accepted);
    for (String text :
        List.of(
            "",
            "{",
            "{}x",
            "{\"a\":01}",
            "{\"a\":-0}",
            "{\"a\":+1}",
            "{\"a\":1,}",
            "{\"a\":1.0}",
            "{\"a\":9223372036854775808}",
            "{\"a\":1,\"a\":1}",
            "{\"a\": 1}",
            "{\"a\":\"\\n\"}",
            "{\"a\":null}",
            "{\"a\":\"\u00e9\"}",
            "{\"a\":{}}",
            "{\"a\":-}",
            "{\"a\":\u0661}")) {
      assertThrows(IllegalArgumentException.class, () -> FlatJson.read(text), text);
    }
    assertEquals(Long.MIN_VALUE, FlatJson.read("{\"a\":-9223372036854775808}").get("a"));
  }
}
