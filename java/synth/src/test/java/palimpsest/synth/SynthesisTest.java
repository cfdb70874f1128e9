package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.model.AdapterFolder;
import palimpsest.engine.model.ModelFolder;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.synth.text.InputException;

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
      assertEquals(0, left.count(), "the run's private state is gone");
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
    class Stop extends RuntimeException {}
    SynthesisListener stopping =
        new SynthesisListener() {
          @Override
          public void begin(String what, long steps) {}

          @Override
          public void done(long steps) {
            if (steps == 4) {
              throw new Stop();
            }
          }
        };
    assertThrows(Stop.class, () -> setting.run(8, 9, 4, false, stopping));
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

  @Test
  void theCapRefusesARunBeforeItsFirstStep() {
    setting.run(4, 3, 0, false, SynthesisListener.silent());
    Synthesis.Destination capped =
        new Synthesis.Destination(
            folder.resolve("second"),
            false,
            setting.state(),
            java.util.OptionalDouble.of(5),
            false);
    assertThrows(
        palimpsest.privacy.PrivacyBudgetException.class,
        () ->
            Synthesis.run(
                setting.model(),
                setting.source(),
                TinySetting.PROMPT,
                TinySetting.settings(4, 3),
                SamplingSettings.of(0),
                TinySetting.execution(),
                java.util.Set.of(),
                capped,
                SynthesisListener.silent()));
    assertEquals(3, steps(ledger()));
    assertFalse(Files.exists(folder.resolve("second")));
  }
}
