package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
    return plan(maxTokens, workers, false);
  }

  private static MemoryPlan plan(int maxTokens, int workers, boolean recompute) {
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
            standard.streams(),
            recompute));
  }

  /** Measured by `palimpsest bench step`: 1.44 GB. */
  @Test
  void aLaptopOfTwoCoresTunesSmolLm2InOneAndAHalfGigabytes() {
    for (int maxTokens : new int[] {64, 256}) {
      MemoryPlan plan = plan(maxTokens, 2);
      assertTrue(plan.bytes() > 1.2e9 && plan.bytes() <= 1.5e9, plan.bytes() + ": " + plan);
    }
  }

  /**
   * Of 30 blocks all but the input of each is computed again: in bytes a row and block, for
   * bfloat16 with rank 8, 4 C of input; 6 C, 2 Q, 2 K, 4 a head, 3 H twice and 16 of norms besides,
   * and 16 an adapter.
   */
  @Test
  void recomputingKeepsABlocksInputAlone() {
    for (int maxTokens : new int[] {512, 1024, 2048}) {
      MemoryPlan keeping = plan(maxTokens, 2);
      MemoryPlan recomputing = plan(maxTokens, 2, true);
      long besides =
          (2 + 4 + 2) * 576 + 2 * (576 + 2 * 192) + 2 * 576 + 4 * 9 + 3 * 2 * 1536 + 16 + 7 * 16;
      assertEquals(2L * maxTokens * 29 * besides, keeping.gradients() - recomputing.gradients());
      assertEquals(keeping.weights(), recomputing.weights());
      assertEquals(keeping.training(), recomputing.training());
    }
    assertTrue(plan(2048, 2, true).bytes() < 0.6 * plan(2048, 2).bytes());
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
