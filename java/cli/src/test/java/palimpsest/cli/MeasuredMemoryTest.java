package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.MemoryPlan;
import palimpsest.synth.OptimizerChoice;
import palimpsest.synth.OptimizerKind;
import palimpsest.synth.RunPlan;
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
    PROMPT(() -> new TuningMethod.Prompt(40)),
    BIAS(() -> new TuningMethod.Bias(Set.of())),
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
  private static double measured(Method method, OptimizerKind optimizer, int length, String kind)
      throws IOException {
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
                "--optimizer",
                optimizer.id(),
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
    "LORA, ADAMW, 64",
    "LORA, ADAMW, 256",
    "RECOMPUTED, ADAMW, 256",
    "PROMPT, ADAMW, 64",
    "BIAS, ADAMW, 256",
    "FULL, ADAFACTOR, 64",
    "FULL, ADAFACTOR, 256",
    "FULL, ADAMW, 64",
    "SOME, ADAFACTOR, 64",
    "SOME, ADAFACTOR, 256"
  })
  void isWhatWasPlannedAndHardlyMoreThanWithoutPrivacy(
      Method method, OptimizerKind optimizer, int length) throws IOException {
    double withPrivacy = measured(method, optimizer, length, "private");
    double without = measured(method, optimizer, length, "non-private");
    assertTrue(withPrivacy <= 1.05 * without, withPrivacy + " MB, without privacy " + without);
    requirePlanned(method, optimizer, length, withPrivacy);
  }

  @ParameterizedTest
  @CsvSource({"LORA, SGD", "LORA, ADAFACTOR", "FULL, SGD", "FULL, ADAM"})
  void everyOptimizersStepIsWhatWasPlanned(Method method, OptimizerKind optimizer)
      throws IOException {
    requirePlanned(method, optimizer, 64, measured(method, optimizer, 64, "private"));
  }

  /** What the default optimizer of all weights is for. */
  @Test
  void allWeightsOfSmolLm2AreTrainedInTwoAndAHalfGigabytes() throws IOException {
    double measured = measured(Method.FULL, OptimizerKind.ADAFACTOR, 64, "private");
    assertTrue(measured < 2500, measured + " MB");
  }

  private static void requirePlanned(
      Method method, OptimizerKind optimizer, int length, double measured) {
    Optimizer.Settings settings =
        OptimizerChoice.of(optimizer, OptionalDouble.of(1e-4))
            .settle(RunPlan.standard(method.method.get(), 1))
            .settings();
    MemoryPlan plan =
        MemoryPlan.of(
            method.method.get(),
            settings,
            length,
            new MemoryPlan.Base(RandomModel.smollm2(), 4 * RandomModel.smollm2().parameterCount()),
            ExecutionSpec.defaults().withRecompute(method == Method.RECOMPUTED));
    assertEquals(plan.bytes() / 1e6, measured, 0.05 * measured, plan.toString());
  }
}
