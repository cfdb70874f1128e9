package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.MemoryPlan;
import palimpsest.synth.bench.RandomModel;

/**
 * What steps of SmolLM2's shape hold at most, each kind in a process of its own, as Linux counts
 * it.
 */
@EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
class MeasuredMemoryTest {
  private enum Method {
    LORA(() -> TuningMethod.Lora.of(8)),
    RECOMPUTED(() -> TuningMethod.Lora.of(8), "--recompute"),
    FULL(TuningMethod.Full::new),
    SOME(
        () -> new TuningMethod.Full(new TensorPatterns(List.of("model.layers.2?.*"))),
        "--train",
        "model.layers.2?.*");

    private final Supplier<TuningMethod> method;
    private final List<String> options;

    Method(Supplier<TuningMethod> method, String... options) {
      this.method = method;
      this.options = List.of(options);
    }
  }

  /** Megabytes; 512 tokens a step. */
  private static double measured(Method method, int length, String kind) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Xmx2g",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "bench",
                "step",
                "--json",
                "--quiet",
                "--model",
                "random-smollm2-135m",
                "--method",
                method.method.get().id(),
                "--length",
                Integer.toString(length),
                "--batch",
                Integer.toString(512 / length),
                "--rounds",
                "3",
                "--only",
                kind));
    command.addAll(method.options);
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    JsonNode rows = new ObjectMapper().readTree(process.getInputStream()).get("measurements");
    assertEquals(1, rows.size());
    return rows.get(0).get("peak_memory_mb").doubleValue();
  }

  @ParameterizedTest
  @CsvSource({
    "LORA, 64",
    "LORA, 256",
    "RECOMPUTED, 256",
    "FULL, 64",
    "FULL, 256",
    "SOME, 64",
    "SOME, 256"
  })
  void isWhatWasPlannedAndHardlyMoreThanWithoutPrivacy(Method method, int length)
      throws IOException {
    double withPrivacy = measured(method, length, "private");
    double without = measured(method, length, "non-private");
    assertTrue(withPrivacy <= 1.05 * without, withPrivacy + " MB, without privacy " + without);
    MemoryPlan plan =
        MemoryPlan.of(
            method.method.get(),
            length,
            RandomModel.smollm2(),
            ExecutionSpec.defaults().withRecompute(method == Method.RECOMPUTED));
    assertEquals(plan.bytes() / 1e6, withPrivacy, 0.05 * withPrivacy, plan.toString());
  }
}
