package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
  private static final DecoderConfig MODEL = RandomModel.smollm2();

  /** In float32. */
  private static final MemoryPlan.Base BASE =
      new MemoryPlan.Base(MODEL, 4 * MODEL.parameterCount());

  private static RunPlan run(TuningMethod method, int maxTokens) {
    return RunPlan.of(
        new RunSettings(
            RunSettings.Goal.of(8),
            5000,
            maxTokens,
            OptionalInt.empty(),
            Duration.ofMinutes(10),
            1,
            method,
            OptionalLong.empty(),
            OptionalInt.empty(),
            OptimizerChoice.none(),
            OptionalDouble.empty()),
        MODEL);
  }

  private static ExecutionSpec workers(int workers) {
    ExecutionSpec standard = ExecutionSpec.defaults();
    return standard.with(workers, standard.groupRows(), standard.groupExamples(), 64 * workers);
  }

  private static MemoryPlan plan(int maxTokens, int workers) {
    return plan(maxTokens, workers, false);
  }

  private static MemoryPlan plan(int maxTokens, int workers, boolean recompute) {
    return MemoryPlan.of(
        run(TuningMethod.Lora.of(8), maxTokens), BASE, workers(workers).withRecompute(recompute));
  }

  /** Measured by `palimpsest bench step`: 1.37 GB. */
  @Test
  void aLaptopOfTwoCoresTunesSmolLm2InOneAndAHalfGigabytes() {
    for (int maxTokens : new int[] {64, 256}) {
      TuningSpec tuning = run(TuningMethod.Lora.of(8), maxTokens).tuning();
      MemoryPlan plan =
          MemoryPlan.of(
              tuning.method(), tuning.optimizer().settings(), maxTokens, BASE, workers(2));
      assertTrue(plan.bytes() > 1.2e9 && plan.bytes() <= 1.5e9, plan.bytes() + ": " + plan);
    }
  }

  /**
   * Of 30 blocks all but the input of each is computed again: in bytes a row and block, for
   * bfloat16 with rank 8, 4 C of input; 6 C, 2 Q, 2 K, 4 a head, 3 H twice and 16 of norms besides,
   * and 16 an adapter. Buffers that live a short time find places of their own in either case,
   * which makes less than a hundredth.
   */
  @Test
  void recomputingKeepsABlocksInputAlone() {
    for (int maxTokens : new int[] {512, 1024, 2048}) {
      MemoryPlan keeping = plan(maxTokens, 2);
      MemoryPlan recomputing = plan(maxTokens, 2, true);
      long besides =
          (2 + 4 + 2) * 576 + 2 * (576 + 2 * 192) + 2 * 576 + 4 * 9 + 3 * 2 * 1536 + 16 + 7 * 16;
      long again = 2L * maxTokens * 29 * besides;
      assertEquals(again, keeping.gradients() - recomputing.gradients(), 0.01 * again);
      assertEquals(keeping.weights(), recomputing.weights());
      assertEquals(keeping.training(), recomputing.training());
      assertEquals(keeping.sampling(), recomputing.sampling());
      assertTrue(recomputing.gradients() < 0.4 * keeping.gradients(), recomputing.toString());
    }
  }

  /** Where little is trained, packing the weights beside their file takes the most. */
  @Test
  void theFileThatIsPackedCounts() {
    MemoryPlan prompt = MemoryPlan.of(run(new TuningMethod.Prompt(40), 64), BASE, workers(1));
    assertEquals(BASE.files(), prompt.loading());
    assertTrue(prompt.loading() > prompt.gradients() + prompt.training(), prompt.toString());
    assertEquals(prompt.weights() + prompt.loading() + prompt.runtime(), prompt.bytes());
    assertThrows(
        IllegalArgumentException.class,
        () ->
            MemoryPlan.fit(
                run(new TuningMethod.Prompt(40), 64), BASE, workers(2), prompt.bytes() - 1));
  }

  @Test
  void eachWorkerHasActivationsOfItsOwnAndAllShareTheWeights() {
    MemoryPlan one = plan(64, 1);
    MemoryPlan three = plan(64, 3);
    assertTrue(three.gradients() == 3 * one.gradients());
    assertTrue(three.weights() == one.weights());
    assertTrue(three.training() < 3 * one.training());
  }

  /** Long texts side by side can take more than training did. */
  @Test
  void theTextsThatAreWrittenCountToo() {
    MemoryPlan plan = plan(2048, 2);
    assertTrue(plan.sampling() > plan.gradients() + plan.training(), plan.toString());
    assertEquals(plan.weights() + plan.sampling() + plan.runtime(), plan.bytes());
  }

  @Test
  void whatFitsIsTakenAsItIs() {
    RunPlan run = run(new TuningMethod.Full(), 64);
    ExecutionSpec asked = workers(4);
    assertEquals(asked, MemoryPlan.fit(run, BASE, asked, MemoryPlan.of(run, BASE, asked).bytes()));
  }

  /** Whatever is chosen fits, and the less there is, the less of it, workers last. */
  @Test
  void lessMemoryGivesSmallerGroupsAndThenFewerWorkers() {
    RunPlan run = run(new TuningMethod.Full(), 64);
    ExecutionSpec asked = workers(4);
    long most = MemoryPlan.of(run, BASE, asked).bytes();
    long least = MemoryPlan.of(run, BASE, asked.with(1, 1, 1, 1)).bytes();
    ExecutionSpec before = asked;
    for (long limit = most; limit >= least; limit -= (most - least) / 7) {
      ExecutionSpec chosen = MemoryPlan.fit(run, BASE, asked, limit);
      assertTrue(MemoryPlan.of(run, BASE, chosen).bytes() <= limit, chosen.toString());
      assertTrue(chosen.workers() <= before.workers(), before + " then " + chosen);
      assertTrue(chosen.groupRows() >= 64 && chosen.groupRows() <= 256, chosen.toString());
      before = chosen;
    }
    ExecutionSpec tight = MemoryPlan.fit(run, BASE, asked, least);
    assertEquals(asked.with(1, 64, 1, tight.streams()), tight);
  }

  @Test
  void longTextsAreWrittenFewerAtATime() {
    RunPlan run = run(TuningMethod.Lora.of(8), 2048);
    ExecutionSpec asked = workers(2);
    ExecutionSpec chosen = MemoryPlan.fit(run, BASE, asked, 3L << 30);
    assertTrue(chosen.streams() < asked.streams(), chosen.toString());
    assertTrue(MemoryPlan.of(run, BASE, chosen).bytes() <= 3L << 30);
  }

  @Test
  void tooLittleIsRefusedInALine() {
    RunPlan run = run(new TuningMethod.Full(), 64);
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class, () -> MemoryPlan.fit(run, BASE, workers(2), 1L << 30));
    assertTrue(
        refused.getMessage().startsWith("a memory of 1.00 GiB is too little: one worker with one"),
        refused.getMessage());
  }
}
