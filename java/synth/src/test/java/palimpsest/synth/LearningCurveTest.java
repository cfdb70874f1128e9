package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.text.InputException;

class LearningCurveTest {
  private static final List<TuningMethod> METHODS = PrivateTrainingTest.METHODS;

  @TempDir Path folder;
  @TempDir Path temporary;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
  }

  private LearningCurve curve(ModelFolder model, TuningMethod method, ExecutionSpec execution) {
    return new LearningCurve(
        model,
        setting.source(),
        setting.data(),
        TinySetting.PROMPT,
        TinySetting.settings(RunSettings.Goal.of(8), 3, OptionalDouble.empty(), method),
        execution);
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(path -> !path.equals(folder)).toList();
    }
  }

  /** Neither records nor payments, and the model's file is let go of. */
  @ParameterizedTest
  @FieldSource("METHODS")
  void nothingIsKept(TuningMethod method) throws IOException {
    List<Path> before = files(folder);
    byte[] data = Files.readAllBytes(setting.data());
    boolean[] ledgerSeen = {false};
    try (ModelFolder model = ModelFolder.open(setting.model())) {
      List<LearningCurve.Point> points =
          curve(model, method, TinySetting.execution())
              .run(
                  temporary,
                  2,
                  new SynthesisListener() {
                    @Override
                    public void begin(String what, long steps) {}

                    @Override
                    public void done(long steps) {
                      ledgerSeen[0] |= temporary.toFile().list().length > 0;
                    }
                  });
      assertEquals(List.of(0L, 2L, 3L), points.stream().map(LearningCurve.Point::step).toList());
      points.forEach(point -> assertTrue(point.loss() > 0, points.toString()));
      assertThrows(RuntimeException.class, model::digest, "its weights are unmapped");
    }
    assertTrue(ledgerSeen[0], "payments are somewhere while they are made");
    assertEquals(List.of(), files(temporary));
    assertEquals(before, files(folder));
    assertArrayEquals(data, Files.readAllBytes(setting.data()));
  }

  /** Before any record is read. */
  @Test
  void allWeightsCannotBeComputedAgain() throws IOException {
    Files.delete(setting.data());
    try (ModelFolder model = ModelFolder.open(setting.model())) {
      ExecutionSpec again = TinySetting.execution().withRecompute(true);
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class, () -> curve(model, new TuningMethod.Full(), again));
      assertTrue(refused.getMessage().contains("recompute"), refused.getMessage());
    }
  }

  @Test
  void aHeldOutFileWithoutRecordsIsRefused() throws IOException {
    Path empty = Files.writeString(folder.resolve("empty.csv"), "label,text\n");
    InputException refused =
        assertThrows(
            InputException.class,
            () ->
                LearningCurve.run(
                    setting.model(),
                    setting.source(),
                    empty,
                    TinySetting.PROMPT,
                    TinySetting.settings(
                        RunSettings.Goal.of(8), 3, OptionalDouble.empty(), TuningMethod.Lora.of(2)),
                    TinySetting.execution(),
                    1,
                    SynthesisListener.silent()));
    assertTrue(refused.getMessage().contains("empty.csv"), refused.getMessage());
    assertFalse(refused.getMessage().contains("note number"));
  }
}
