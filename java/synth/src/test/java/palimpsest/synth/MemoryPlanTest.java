package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.bench.RandomModel;

class MemoryPlanTest {
  private static MemoryPlan plan(int maxTokens, int workers) {
    RunSettings settings =
        new RunSettings(
            RunSettings.Goal.of(8),
            5000,
            maxTokens,
            OptionalInt.empty(),
            Duration.ofMinutes(10),
            1,
            TuningMethod.Lora.of(8),
            OptionalLong.empty(),
            OptionalInt.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty());
    DecoderConfig model = RandomModel.smollm2();
    ExecutionSpec standard = ExecutionSpec.defaults();
    return MemoryPlan.of(
        RunPlan.of(settings, model),
        model,
        new ExecutionSpec(
            standard.compute(),
            workers,
            standard.groupRows(),
            standard.groupExamples(),
            standard.streams()));
  }

  /** Measured by `palimpsest bench step`: 1.44 GB. */
  @Test
  void aLaptopOfTwoCoresTunesSmolLm2InOneAndAHalfGigabytes() {
    for (int maxTokens : new int[] {64, 256}) {
      MemoryPlan plan = plan(maxTokens, 2);
      assertTrue(plan.bytes() > 1.2e9 && plan.bytes() <= 1.5e9, plan.bytes() + ": " + plan);
    }
  }

  @Test
  void eachWorkerHasActivationsOfItsOwnAndAllShareTheWeights() {
    MemoryPlan one = plan(64, 1);
    MemoryPlan three = plan(64, 3);
    assertTrue(three.gradients() == 3 * one.gradients());
    assertTrue(three.weights() == one.weights());
    assertTrue(three.training() < 3 * one.training());
  }
}
