package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;

class LabelHistogramTest {
  @TempDir Path folder;
  private TinySetting setting;

  /** Seven red records for each blue one. */
  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
    StringBuilder csv = new StringBuilder("label,text\n");
    for (int i = 0; i < 80; i++) {
      csv.append(i % 8 == 0 ? "blue" : "red").append(",note number ").append(i).append('\n');
    }
    Files.writeString(setting.data(), csv);
  }

  private static MechanismSpec spec(NeighbouringRelation relation) {
    return MechanismSpec.of(relation, 1, 1, 10, 100, 5, 1e-3);
  }

  private static double multiplier(MechanismSpec spec, double noise) {
    return ((PrivacyEvent.Gaussian) LabelHistogram.event(spec, noise)).noiseMultiplier();
  }

  /** One record moves one count by one, a person with k of them one count by k. */
  @Test
  void aUnitCostsWhatItsRecordsCanMove() {
    MechanismSpec record = spec(NeighbouringRelation.ADD_REMOVE);
    assertEquals(Math.nextDown(10.0), multiplier(record, 10));
    MechanismSpec person = record.withUnit(ProtectedUnit.USER, 4);
    assertEquals(Math.nextDown(2.5), multiplier(person, 10));
    double replaced = multiplier(spec(NeighbouringRelation.REPLACE_ONE), 10);
    assertEquals(10 / Math.sqrt(2), replaced, 1e-12);
    assertTrue(replaced < 10 / Math.sqrt(2), "rounded to the safe side");
  }

  /** The noise has the size that is paid for, and is that of no other purpose. */
  @Test
  void everyCountGetsNoiseOfTheSizeThatIsPaidFor() {
    try (SecretKey key = SecretKey.insecureDeterministic(7)) {
      long[] counts = new long[200_000];
      Arrays.fill(counts, 1000);
      LabelHistogram.release(counts, 12.5, key);
      double mean = Arrays.stream(counts).average().orElseThrow() - 1000;
      double variance =
          Arrays.stream(counts)
              .mapToDouble(c -> (c - 1000.0) * (c - 1000.0))
              .average()
              .orElseThrow();
      assertEquals(0, mean, 5 * 12.5 / Math.sqrt(counts.length));
      double expected = 12.5 * 12.5 + 1 / 12.0;
      assertEquals(expected, variance, 5 * expected * Math.sqrt(2.0 / counts.length));
      long[] other = new long[8];
      new NoiseStream(key, Purpose.NOISE).addTo(other, 0, 0, 12.5);
      long[] own = Arrays.stream(counts, 0, 8).map(count -> count - 1000).toArray();
      assertFalse(Arrays.equals(own, other));
    }
  }

  @Test
  void noLabelBecomesImpossible() {
    Labels weighted =
        LabelHistogram.weighted(
            Labels.of(List.of("a", "b", "c")), new long[] {-5, 70, 3_000_000_000L});
    assertArrayEquals(
        new double[] {1, 70, 1e9},
        new double[] {weighted.weight(0), weighted.weight(1), weighted.weight(2)});
  }

  private List<LedgerRecord> ledger() {
    return Ledger.read(StateFolder.ledgers(setting.state()), "notes");
  }

  private static long red(Synthesis.Outcome outcome) {
    return outcome.records().stream().filter(record -> record.label() == 0).count();
  }

  @Test
  void labelsFollowTheCountsWhichArePaidForBeforeTheFirstStep() throws IOException {
    Synthesis.Outcome outcome =
        setting.runWithLabelCounts(5, 80, false, SynthesisListener.silent());
    assertEquals(70, red(outcome), 12, "7 in 8, within five times the noise");
    List<LedgerRecord> ledger = ledger();
    int release = indexOf(ledger, LedgerRecord.Release.class);
    assertTrue(release > indexOf(ledger, LedgerRecord.RunStart.class));
    assertTrue(release < indexOf(ledger, LedgerRecord.Step.class));
    assertEquals(1, ledger.stream().filter(LedgerRecord.Release.class::isInstance).count());
    MechanismSpec mechanism = outcome.plan().mechanism();
    double steps = Accountant.of(mechanism).epsilon(mechanism.delta()).upper();
    double run = outcome.statement().epsilon().upper();
    assertTrue(run <= 8 && run > 7.9, "one epsilon for all: " + run);
    assertTrue(run > steps, "the counts cost something");
    assertEquals(run, outcome.statement().account().total().upper(), 1e-3 * run);
    AdapterCard card = AdapterCard.read(setting.out().resolve(Synthesis.ADAPTER)).orElseThrow();
    assertTrue(card.labels().weight(0) > 2 * card.labels().weight(1), "kept for later sampling");
    assertTrue(
        Files.readString(setting.out().resolve(Synthesis.STATEMENT_TEXT)).contains("Label counts"));
  }

  private static int indexOf(List<LedgerRecord> ledger, Class<?> kind) {
    for (int i = 0; i < ledger.size(); i++) {
      if (kind.isInstance(ledger.get(i))) {
        return i;
      }
    }
    throw new AssertionError("no " + kind.getSimpleName());
  }

  @Test
  void aResumedRunKeepsItsCounts() {
    assertThrows(
        Interruption.class, () -> setting.runWithLabelCounts(5, 80, false, Interruption.after(2)));
    Synthesis.Outcome outcome = setting.runWithLabelCounts(5, 80, true, SynthesisListener.silent());
    assertEquals(70, red(outcome), 12);
    assertEquals(1, ledger().stream().filter(LedgerRecord.Release.class::isInstance).count());
    assertFalse(outcome.statement().labelCounts().orElseThrow().lost());
  }

  /** Killed between payment and keeping: paid, lost, and not paid for again. */
  @Test
  void countsThatACrashTookStayPaidAndAreNotReleasedAgain() throws IOException {
    assertThrows(
        Interruption.class, () -> setting.runWithLabelCounts(5, 80, false, Interruption.after(2)));
    Path properties;
    try (Stream<Path> all = Files.walk(setting.state().resolve("runs"))) {
      properties = all.filter(path -> path.endsWith("run.properties")).findFirst().orElseThrow();
    }
    List<String> lines = Files.readAllLines(properties);
    assertTrue(lines.removeIf(line -> line.startsWith("label-counts=")));
    Files.write(properties, lines);
    Synthesis.Outcome outcome = setting.runWithLabelCounts(5, 80, true, SynthesisListener.silent());
    assertEquals(40, red(outcome), "public weights");
    assertEquals(1, ledger().stream().filter(LedgerRecord.Release.class::isInstance).count());
    assertTrue(outcome.statement().labelCounts().orElseThrow().lost());
    assertTrue(outcome.statement().account().total().upper() <= 8);
  }

  @Test
  void countsThatCostMoreThanTheTargetAreRefusedBeforeAnythingIsPaid() {
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> run(0.1, TinySetting.LABELS));
    assertTrue(refused.getMessage().contains("give it more noise"), refused.getMessage());
    assertThrows(InputException.class, () -> run(2, Labels.of(List.of("red"))));
    assertThrows(IllegalArgumentException.class, () -> run(0, TinySetting.LABELS));
    assertThrows(IllegalArgumentException.class, () -> run(Double.NaN, TinySetting.LABELS));
    assertFalse(Files.exists(StateFolder.ledgers(setting.state())));
  }

  private void run(double noise, Labels labels) {
    Synthesis.Source source =
        new Synthesis.Source(setting.data(), setting.source().options(), labels, "notes");
    Synthesis.run(
        setting.model(),
        source,
        TinySetting.PROMPT,
        TinySetting.settings(RunSettings.Goal.of(8), 5, OptionalDouble.of(noise)),
        SamplingSettings.of(0),
        TinySetting.execution(),
        Set.of(),
        setting.destination(false),
        SynthesisListener.silent());
  }
}
