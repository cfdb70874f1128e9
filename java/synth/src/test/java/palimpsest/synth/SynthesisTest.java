package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.AdapterFolder;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;
import palimpsest.privacy.HeldLock;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.PrivacyBudgetException;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.Waiver;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import palimpsest.synth.text.Records;

/** The whole job on a tiny model. */
class SynthesisTest {
  @TempDir Path folder;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
  }

  private List<LedgerRecord> ledger() {
    return Ledger.read(setting.state().resolve("ledgers"), "notes");
  }

  private static long steps(List<LedgerRecord> ledger) {
    return ledger.stream().filter(LedgerRecord.Step.class::isInstance).count();
  }

  @Test
  void textsAreOverwrittenOnceTheyAreTokensAndTokensAtTheEnd() {
    Synthesis.Source source = setting.source();
    Records records =
        Records.read(source.file(), source.options().withMaxTokens(32), source.labels());
    List<byte[]> texts = IntStream.range(0, records.size()).mapToObj(records::text).toList();
    List<int[]> tokens;
    try (ModelFolder model = ModelFolder.open(setting.model());
        Synthesis.Data data =
            Synthesis.encode(
                records,
                source.labels().size(),
                Synthesis.template(
                    model, Synthesis.tokenizer(model), source.labels(), TinySetting.PROMPT),
                32)) {
      tokens = data.examples().stream().map(Example::tokens).toList();
      assertTrue(tokens.stream().flatMapToInt(Arrays::stream).anyMatch(token -> token != 0));
    }
    assertTrue(texts.stream().allMatch(text -> Arrays.equals(text, new byte[text.length])));
    assertTrue(tokens.stream().flatMapToInt(Arrays::stream).allMatch(token -> token == 0));
  }

  @Test
  void writesRecordsAdapterAndOneStatement() throws IOException {
    Synthesis.Outcome outcome = setting.run(8, 12, 10, false, SynthesisListener.silent());
    Path out = setting.out();
    assertEquals(12, steps(ledger()), "every step is paid for, once");
    double epsilon = outcome.plan().epsilon().upper();
    assertTrue(
        epsilon <= 8 && epsilon > 7.9, "the noise is the least that is enough: epsilon " + epsilon);
    JsonNode statement =
        new ObjectMapper().readTree(out.resolve(Synthesis.STATEMENT_JSON).toFile());
    assertEquals("lora", statement.get("made").get("method").asText());
    assertFalse(Files.readString(out.resolve(Synthesis.STATEMENT_TEXT)).startsWith("NON-PRIVATE"));
    List<String> lines = Files.readAllLines(out.resolve(Synthesis.RECORDS_JSONL));
    assertEquals(outcome.records().size(), lines.size());
    for (String line : lines) {
      assertTrue(
          List.of("red", "blue").contains(new ObjectMapper().readTree(line).get("label").asText()));
    }
    try (ModelFolder model = ModelFolder.open(setting.model());
        AdapterFolder adapter =
            AdapterFolder.open(out.resolve(Synthesis.ADAPTER), model.config())) {
      assertEquals(2, adapter.settings().rank());
    }
    try (Stream<Path> left = Files.list(setting.state().resolve("runs"))) {
      assertEquals(0, left.filter(Files::isDirectory).count(), "the run's private state is gone");
    }
  }

  @Test
  void aRunWithoutNoiseSaysSo() throws IOException {
    setting.run(Double.POSITIVE_INFINITY, 3, 0, false, SynthesisListener.silent());
    assertTrue(
        Files.readString(setting.out().resolve(Synthesis.STATEMENT_TEXT))
            .startsWith("NON-PRIVATE"));
  }

  @Test
  void anOccupiedOutputFolderIsRefusedBeforeAnythingIsPaid() throws IOException {
    Files.createDirectories(setting.out());
    Files.writeString(setting.out().resolve("mine.txt"), "keep");
    assertThrows(
        InputException.class, () -> setting.run(8, 3, 0, false, SynthesisListener.silent()));
    assertEquals("keep", Files.readString(setting.out().resolve("mine.txt")));
    assertFalse(Files.exists(setting.state().resolve("ledgers")));
  }

  @Test
  void anInterruptedRunGoesOnWithOtherKeysAndNoStepTwice() {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 4, false, Interruption.after(4)));
    assertEquals(4, steps(ledger()));
    assertThrows(
        InputException.class,
        () -> setting.run(8, 9, 4, false, SynthesisListener.silent()),
        "an unfinished run is not started again by accident");
    assertThrows(
        InputException.class,
        () -> setting.run(8, 8, 4, true, SynthesisListener.silent()),
        "other settings are another run");
    setting.run(8, 9, 4, true, SynthesisListener.silent());
    List<LedgerRecord> ledger = ledger();
    assertEquals(9, steps(ledger), "what was paid is not paid again");
    List<String> keys =
        ledger.stream()
            .filter(LedgerRecord.RunStart.class::isInstance)
            .map(record -> ((LedgerRecord.RunStart) record).keyFingerprint())
            .toList();
    assertEquals(2, keys.size());
    assertEquals(2, keys.stream().distinct().count(), "each process has a key of its own");
  }

  /** The ledger knows what paid for a run, also when the run's folder has forgotten it. */
  @Test
  void aRunStateFromABackupPaysForNoMoreThanThePlan() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    Path run = trainingState().getParent();
    Path backup = folder.resolve("backup");
    copy(run, backup);
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, true, Interruption.after(6)));
    assertEquals(6, steps(ledger()));
    AtomicFiles.deleteTree(run);
    copy(backup, run);
    setting.run(8, 9, 0, true, SynthesisListener.silent());
    assertEquals(9, steps(ledger()));
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectory(
        to, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  @Test
  void theCapRefusesARunBeforeItsFirstStep() {
    setting.run(4, 3, 0, false, SynthesisListener.silent());
    Synthesis.Destination capped =
        new Synthesis.Destination(
            folder.resolve("second"), false, setting.state(), OptionalDouble.of(4.5), false);
    assertThrows(
        PrivacyBudgetException.class,
        () ->
            Synthesis.run(
                setting.model(),
                setting.source(),
                TinySetting.PROMPT,
                TinySetting.settings(4, 3),
                SamplingSettings.of(0),
                TinySetting.execution(),
                Set.of(),
                capped,
                SynthesisListener.silent()));
    assertEquals(3, steps(ledger()));
    assertFalse(Files.exists(folder.resolve("second")));
  }

  private Synthesis.Source source(Path file, RecordOptions options, Labels labels, String name) {
    return new Synthesis.Source(file, options, labels, name);
  }

  private void run(Synthesis.Source source, RunSettings settings, Synthesis.Destination to) {
    Synthesis.run(
        setting.model(),
        source,
        TinySetting.PROMPT,
        settings,
        SamplingSettings.of(0),
        TinySetting.execution(),
        Set.of(),
        to,
        SynthesisListener.silent());
  }

  /**
   * Whether there are accounts is asked when nobody can open one, so of two first runs that start
   * together one names its account.
   */
  @Test
  void anAccountThatOpensMeanwhileIsSeen() throws Exception {
    Synthesis.Source source = setting.source();
    Synthesis.Source unnamed =
        new Synthesis.Source(
            source.file(), source.options(), source.labels(), source.dataSet(), false);
    Path ledgers = StateFolder.make(StateFolder.ledgers(StateFolder.make(setting.state())));
    AtomicReference<RuntimeException> refusal = new AtomicReference<>();
    Thread run =
        new Thread(() -> {
          try {
            run(unnamed, TinySetting.settings(8, 3), setting.destination(false));
          } catch (RuntimeException e) {
            refusal.set(e);
          }
        });
    try (HeldLock _ = Ledger.exclusive(ledgers)) {
      run.start();
      while (run.isAlive()
          && Arrays.stream(run.getStackTrace())
              .noneMatch(frame -> frame.getClassName().equals(HeldLock.class.getName()))) {
        Thread.sleep(10);
      }
      Ledger.create(ledgers, "others", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)
          .close();
    }
    run.join();
    assertTrue(refusal.get() instanceof InputException, "it went on");
    assertTrue(refusal.get().getMessage().contains("give --name"), refusal.get().getMessage());
    assertEquals(List.of("others"), Ledger.accounts(ledgers));
  }

  @Test
  void noRecordDecidesWhetherThePromptLeavesRoom() throws IOException {
    Labels labels =
        Labels.of(
            List.of("red", "blue"), List.of(Optional.empty(), Optional.of("long ".repeat(20))));
    Path onlyRed = Files.writeString(folder.resolve("r.csv"), "label,text\nred,a note\n");
    RecordOptions options = RecordOptions.of(List.of("text"), "label");
    InputException refused =
        assertThrows(
            InputException.class,
            () ->
                run(
                    source(onlyRed, options, labels, "notes"),
                    TinySetting.settings(8, 3),
                    setting.destination(false)));
    assertTrue(refused.getMessage().contains("the prompt takes"), refused.getMessage());
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())), "nothing is paid or kept");
  }

  @Test
  void aFileThatCannotBeUsedLeavesNothingBehind() throws IOException {
    RecordOptions options = RecordOptions.of(List.of("text"), "label");
    for (String content :
        new String[] {null, "", "label,text\n", "label,other\nred,x\n", "label,text\ngreen,x\n"}) {
      Path file = folder.resolve("bad.csv");
      Files.deleteIfExists(file);
      if (content != null) {
        Files.writeString(file, content);
      }
      InputException refused =
          assertThrows(
              InputException.class,
              () ->
                  run(
                      source(file, options, TinySetting.LABELS, "bad"),
                      TinySetting.settings(8, 3),
                      setting.destination(false)));
      assertTrue(refused.getMessage().contains("bad.csv"), refused.getMessage());
      assertFalse(Files.exists(StateFolder.ledgers(setting.state())), "no account is opened");
    }
    setting.run(8, 3, 0, false, SynthesisListener.silent());
  }

  @Test
  void aPlaceThatCannotBeWrittenIsRefusedBeforeAnythingIsPaid() throws IOException {
    Path file = Files.writeString(folder.resolve("plain.txt"), "x");
    Synthesis.Destination inside =
        new Synthesis.Destination(
            file.resolve("out"), false, setting.state(), OptionalDouble.empty(), false);
    assertThrows(
        InputException.class, () -> run(setting.source(), TinySetting.settings(8, 3), inside));
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())));
  }

  @Test
  void aResumedRunMustHaveTheSameDataAndTheSameWaivers() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 4, 0, false, Interruption.after(2)));
    InputException waived =
        assertThrows(
            InputException.class,
            () ->
                Synthesis.run(
                    setting.model(),
                    setting.source(),
                    TinySetting.PROMPT,
                    TinySetting.settings(8, 4),
                    SamplingSettings.of(0),
                    TinySetting.execution(),
                    Set.of(Waiver.SIZE_IS_PUBLIC),
                    setting.destination(true),
                    SynthesisListener.silent()));
    assertTrue(waived.getMessage().contains("other settings"), waived.getMessage());
    String before = Files.readString(setting.data());
    Files.writeString(setting.data(), before + "red,one more\n");
    InputException changed =
        assertThrows(
            InputException.class, () -> setting.run(8, 4, 0, true, SynthesisListener.silent()));
    assertTrue(changed.getMessage().contains("data file has changed"), changed.getMessage());
    assertEquals(2, steps(ledger()));
    Files.writeString(setting.data(), before);
    setting.run(8, 4, 0, true, SynthesisListener.silent());
    assertEquals(4, steps(ledger()));
  }

  /** A description is part of its label's prompt, whichever label it is. */
  @Test
  void aResumedRunMustHaveTheSamePrompts() {
    assertThrows(Interruption.class, () -> setting.run(8, 4, 0, false, Interruption.after(2)));
    for (List<Optional<String>> descriptions :
        List.of(
            List.of(Optional.of("like a rose"), Optional.<String>empty()),
            List.of(Optional.<String>empty(), Optional.of("like the sky")))) {
      Labels described = Labels.of(TinySetting.LABELS.names(), descriptions);
      Synthesis.Source source =
          source(setting.data(), setting.source().options(), described, "notes");
      InputException refused =
          assertThrows(
              InputException.class,
              () -> run(source, TinySetting.settings(8, 4), setting.destination(true)));
      assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
    }
  }

  @Test
  void aResumedRunMustHaveTheSameTokenizer() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 4, 0, false, Interruption.after(2)));
    Path tokenizer = setting.model().resolve("tokenizer.json");
    Files.writeString(tokenizer, Files.readString(tokenizer) + "\n");
    InputException refused =
        assertThrows(
            InputException.class,
            () -> run(setting.source(), TinySetting.settings(8, 4), setting.destination(true)));
    assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
  }

  @Test
  void aRunThatGoesOnCannotBeDiscarded() {
    SynthesisListener meddling =
        new SynthesisListener() {
          @Override
          public void begin(String what, long steps) {}

          @Override
          public void done(long steps) {
            if (steps == 2) {
              assertThrows(
                  InputException.class, () -> Synthesis.discard(setting.destination(false)));
            }
          }
        };
    setting.run(8, 3, 0, false, meddling);
    assertEquals(3, steps(ledger()));
  }

  @Test
  void aRenamedCopyKeepsItsAccount() throws IOException {
    setting.run(8, 3, 0, false, SynthesisListener.silent());
    Path copy = Files.copy(setting.data(), folder.resolve("copy.csv"));
    Synthesis.Destination second =
        new Synthesis.Destination(
            folder.resolve("second"), false, setting.state(), OptionalDouble.empty(), false);
    InputException refused =
        assertThrows(
            InputException.class,
            () ->
                run(
                    source(copy, setting.source().options(), TinySetting.LABELS, "other"),
                    TinySetting.settings(8, 3),
                    second));
    assertTrue(refused.getMessage().contains("--name notes"), refused.getMessage());
  }

  @Test
  void aRunCannotRaiseTheCap() {
    Synthesis.Destination first =
        new Synthesis.Destination(
            folder.resolve("first"), false, setting.state(), OptionalDouble.of(9), false);
    run(setting.source(), TinySetting.settings(8, 3), first);
    Synthesis.Destination raising =
        new Synthesis.Destination(
            folder.resolve("second"), false, setting.state(), OptionalDouble.of(90), false);
    assertThrows(
        InputException.class, () -> run(setting.source(), TinySetting.settings(8, 3), raising));
    assertEquals(3, steps(ledger()));
  }

  /** A limit on epsilon means less at a larger delta, so a run never brings one. */
  @Test
  void aLowerCapKeepsTheSmallerDelta() {
    setting.run(4, 3, 0, false, SynthesisListener.silent());
    double strict = 1e-9;
    try (Ledger ledger = Ledger.open(StateFolder.ledgers(setting.state()), "notes")) {
      ledger.setCap(1000, strict);
    }
    Synthesis.Destination lowering =
        new Synthesis.Destination(
            folder.resolve("second"), false, setting.state(), OptionalDouble.of(500), false);
    run(setting.source(), TinySetting.settings(4, 3), lowering);
    LedgerRecord.Cap cap =
        ledger().stream()
            .filter(LedgerRecord.Cap.class::isInstance)
            .map(LedgerRecord.Cap.class::cast)
            .reduce((a, b) -> b)
            .orElseThrow();
    assertEquals(500, cap.epsilon());
    assertEquals(strict, cap.delta());
  }

  @Test
  void theCapIsLoweredByItsDeltaAlone() {
    setting.run(4, 3, 0, false, SynthesisListener.silent());
    try (Ledger ledger = Ledger.open(StateFolder.ledgers(setting.state()), "notes")) {
      ledger.setCap(500, 0.5);
    }
    Synthesis.Destination lowering =
        new Synthesis.Destination(
            folder.resolve("second"), false, setting.state(), OptionalDouble.of(500), false);
    run(setting.source(), TinySetting.settings(4, 3), lowering);
    try (Ledger ledger = Ledger.open(StateFolder.ledgers(setting.state()), "notes")) {
      LedgerRecord.Cap cap = ledger.cap().orElseThrow();
      assertEquals(500, cap.epsilon());
      assertTrue(cap.delta() < 0.5, cap::toString);
    }
  }

  @Test
  void aPersonIsProtectedAsOneWhateverTheNoise() throws IOException {
    Files.writeString(
        folder.resolve("who.csv"), "label,text,who\nred,one,ann\nblue,two,ann\nred,three,bob\n");
    for (double epsilon : new double[] {8, Double.POSITIVE_INFINITY}) {
      RunSettings settings =
          TinySetting.settings(
              new RunSettings.Goal(
                  NeighbouringRelation.ADD_REMOVE,
                  epsilon,
                  OptionalDouble.empty(),
                  ProtectedUnit.USER,
                  2),
              3);
      Path out = folder.resolve("who-" + epsilon);
      run(
          source(
              folder.resolve("who.csv"),
              setting.source().options().withUser("who", 2),
              TinySetting.LABELS,
              "people"),
          settings,
          new Synthesis.Destination(out, false, setting.state(), OptionalDouble.empty(), false));
      JsonNode statement =
          new ObjectMapper().readTree(out.resolve(Synthesis.STATEMENT_JSON).toFile());
      assertEquals("user", statement.get("unit").asText());
      assertEquals(2, statement.get("recordsPerUser").asInt());
    }
  }

  @Test
  void theAdapterBringsItsPromptAndItsStatement() throws IOException {
    setting.run(Double.POSITIVE_INFINITY, 2, 0, false, SynthesisListener.silent());
    AdapterCard card = AdapterCard.read(setting.out().resolve(Synthesis.ADAPTER)).orElseThrow();
    assertEquals(TinySetting.LABELS.names(), card.labels().names());
    assertEquals(TinySetting.PROMPT, card.prompt());
    assertEquals(64, card.maxTokens());
    assertTrue(card.statement().startsWith("NON-PRIVATE"), card.statement());
    Path words = setting.out().resolve(Synthesis.ADAPTER).resolve(Synthesis.STATEMENT_TEXT);
    Files.writeString(words, Files.readString(words).replace("epsilon", "about"));
    assertThrows(ModelFileException.class, () -> AdapterCard.read(words.getParent()));
    Files.delete(words);
    assertThrows(
        ModelFileException.class, () -> AdapterCard.read(setting.out().resolve(Synthesis.ADAPTER)));
  }

  @Test
  void noiseThatLeavesNothingToLearnIsRefusedBeforeAnythingIsPaid() {
    RunSettings.Goal goal =
        new RunSettings.Goal(
            NeighbouringRelation.ADD_REMOVE,
            1e-3,
            OptionalDouble.of(1e-9),
            ProtectedUnit.RECORD,
            1);
    assertThrows(
        IllegalArgumentException.class,
        () -> run(setting.source(), TinySetting.settings(goal, 100), setting.destination(false)));
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())));
  }

  @Test
  void whatAKilledRunLeftHalfWrittenIsRemoved() throws IOException {
    Path left = Files.createDirectories(folder.resolve(".out.1f.partial/adapter"));
    Path other = Files.createDirectories(folder.resolve(".outer.1f.partial"));
    setting.run(8, 3, 0, false, SynthesisListener.silent());
    assertFalse(Files.exists(left.getParent()));
    assertTrue(Files.exists(other), "it belongs to another folder");
  }

  /** The training state of an unfinished run. */
  private Path trainingState() throws IOException {
    try (Stream<Path> all = Files.walk(setting.state().resolve("runs"))) {
      return all.filter(path -> path.endsWith("training.safetensors")).findFirst().orElseThrow();
    }
  }

  private static long updates(Path trainingState) {
    try (Safetensors saved = Safetensors.open(trainingState)) {
      return Long.parseLong(saved.metadata().get("updates"));
    }
  }

  @Test
  void aTrainingStateWithoutItsPaymentsIsNobodys() throws IOException {
    assertThrows(
        Interruption.class,
        () -> setting.run(Double.POSITIVE_INFINITY, 9, 0, false, Interruption.after(5)));
    Path left = trainingState();
    assertEquals(5, updates(left));
    Files.delete(left.resolveSibling("run.properties"));
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    assertEquals(2, updates(trainingState()), "the run began at the beginning");
  }

  /** A mapped file's pages count as the process's memory, all of a model's while it is trained. */
  @ParameterizedTest
  @ValueSource(strings = {"*", "*.mlp.*"})
  void theBaseModelIsNotMappedWhileItIsTrained(String trained) {
    List<String> mapped = new ArrayList<>();
    SynthesisListener listener =
        new SynthesisListener() {
          @Override
          public void begin(String phase, long steps) {}

          @Override
          public void done(long steps) {
            try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
              maps.filter(line -> line.contains(setting.model().toString())).forEach(mapped::add);
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          }
        };
    TuningMethod method = new TuningMethod.Full(new TensorPatterns(List.of(trained)));
    setting.run(method, 2, 2, false, listener);
    assertEquals(List.of(), mapped);
  }

  @Test
  void theTrainingStateOfAnotherRunIsRefused() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    byte[] first = Files.readAllBytes(trainingState());
    Synthesis.discard(setting.destination(false));
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(3)));
    Files.write(trainingState(), first);
    InputException refused =
        assertThrows(
            InputException.class, () -> setting.run(8, 9, 0, true, SynthesisListener.silent()));
    assertTrue(refused.getMessage().contains("--discard"), refused.getMessage());
    assertFalse(Files.exists(setting.out()));
  }

  @Test
  void moreUpdatesThanWerePaidForAreRefused() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    String name;
    try (Safetensors saved = Safetensors.open(trainingState())) {
      name = saved.metadata().get("run");
    }
    try (ModelFolder model = ModelFolder.open(setting.model());
        Kernels kernels = Synthesis.kernels(TinySetting.execution());
        TensorArena arena = new TensorArena()) {
      TunedDecoder tuned =
          TunedDecoder.begin(model, kernels, 64, TuningMethod.Lora.of(2), new SplittableRandom(1));
      TrainingState state = new TrainingState(tuned, Optimizers.adamW(1e-3), arena);
      state.load(trainingState(), name, 2);
      assertEquals(2, state.updates);
      assertThrows(InputException.class, () -> state.load(trainingState(), name, 1));
    }
  }

  /** A finished or forgotten run leaves nothing that a later one could take for its own. */
  @Test
  void nothingIsLeftOfARunThatIsForgotten() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    Synthesis.discard(setting.destination(false));
    try (Stream<Path> left = Files.list(setting.state().resolve("runs"))) {
      assertEquals(0, left.filter(Files::isDirectory).count());
    }
  }

  @Test
  void theStatementProtectsThoseWhoseRecordsAreLimited() {
    RunSettings person =
        TinySetting.settings(
            new RunSettings.Goal(
                NeighbouringRelation.ADD_REMOVE, 8, OptionalDouble.empty(), ProtectedUnit.USER, 1),
            3);
    assertThrows(
        IllegalArgumentException.class,
        () -> run(setting.source(), person, setting.destination(false)));
    Synthesis.Source people =
        source(
            setting.data(),
            setting.source().options().withUser("text", 2),
            TinySetting.LABELS,
            "notes");
    assertThrows(
        IllegalArgumentException.class,
        () -> run(people, TinySetting.settings(8, 3), setting.destination(false)));
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())));
  }

  /** A record with such a token would make a step fail, and so tell that it was drawn. */
  @Test
  void aTokenizerWithMoreTokensThanTheModelIsRefused() throws IOException {
    Path tokenizer = setting.model().resolve("tokenizer.json");
    String more = Files.readString(tokenizer).replace("\"id\":" + TinySetting.END, "\"id\":900");
    Files.writeString(tokenizer, more);
    InputException refused =
        assertThrows(
            InputException.class, () -> setting.run(8, 3, 0, false, SynthesisListener.silent()));
    assertTrue(refused.getMessage().contains("do not belong together"), refused.getMessage());
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())));
  }

  /** The number of the ledger's records is published. */
  @Test
  void theNumberOfLedgerRecordsDoesNotTellWhetherTheDataChanged() throws IOException {
    setting.run(8, 3, 0, false, SynthesisListener.silent());
    int first = ledger().size();
    AtomicFiles.deleteTree(setting.out());
    setting.run(8, 3, 0, false, SynthesisListener.silent());
    int same = ledger().size();
    AtomicFiles.deleteTree(setting.out());
    Files.writeString(setting.data(), Files.readString(setting.data()) + "red,one more\n");
    setting.run(8, 3, 0, false, SynthesisListener.silent());
    assertEquals(same - first, ledger().size() - same);
  }

  @Test
  void aResumedRunMustHaveTheSameWeights() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    Path weights = setting.model().resolve("model.safetensors");
    byte[] changed = Files.readAllBytes(weights);
    changed[changed.length - 1] ^= 1;
    Files.write(weights, changed);
    InputException refused =
        assertThrows(
            InputException.class, () -> setting.run(8, 9, 0, true, SynthesisListener.silent()));
    assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
  }

  /** The private state holds these files and no others, while a run goes on and after it. */
  @Test
  void onlyTheseFilesAreKept() throws IOException {
    assertThrows(Interruption.class, () -> setting.run(8, 9, 0, false, Interruption.after(2)));
    Set<String> account =
        Set.of(".lock", "notes.head", "notes.ledger", "notes.lock", "notes.secret", "RUN.lock");
    Set<String> unfinished = new TreeSet<>(account);
    unfinished.addAll(Set.of("run.properties", "training.safetensors"));
    assertEquals(unfinished, kept());
    try (Safetensors saved = Safetensors.open(trainingState())) {
      assertEquals(Set.of("parameters", "first_moment", "second_moment"), saved.names());
      assertEquals(Set.of("updates", "run", "clip_norm"), saved.metadata().keySet());
    }
    setting.run(8, 9, 0, true, SynthesisListener.silent());
    assertEquals(new TreeSet<>(account), kept());
  }

  private Set<String> kept() throws IOException {
    try (Stream<Path> all = Files.walk(setting.state())) {
      return all.filter(Files::isRegularFile)
          .map(file -> file.getFileName().toString().replaceAll("[0-9a-f]{24}", "RUN"))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }
}
