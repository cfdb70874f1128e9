package palimpsest.synth.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;

class StepFlopsTest {
  /** The table of docs/kernels.md, worked out by hand for GPT-2: M = 12 L C^2 + V C, S = 16 C L. */
  @ParameterizedTest
  @CsvSource({"256,755.3,511.8", "512,769.5,526.0", "1024,797.8,554.3"})
  void gpt2(int length, double full, double lora) {
    StepFlops flops = new StepFlops(RandomModel.gpt2());
    assertEquals(full, flops.full(length) / 1e6, 0.05);
    assertEquals(lora, flops.lora(length, 8) / 1e6, 0.05);
  }

  @Test
  void gpt2HasTheKnownSizes() {
    StepFlops flops = new StepFlops(RandomModel.gpt2());
    assertEquals(12 * 12 * 768 * 768 + 50_257 * 768, flops.matrixWeights());
    assertEquals(16 * 768 * 12, flops.widths());
    assertEquals(124_439_808, RandomModel.gpt2().parameterCount());
  }

  /** Grouped heads: keys and values are a third of the queries' width. */
  @ParameterizedTest
  @CsvSource({"64,813.5,558.1", "256,833.4,578.0"})
  void smollm2(int length, double full, double lora) {
    StepFlops flops = new StepFlops(RandomModel.smollm2());
    assertEquals(134_479_872, flops.matrixWeights());
    assertEquals(305_280, flops.widths());
    assertEquals(full, flops.full(length) / 1e6, 0.05);
    assertEquals(lora, flops.lora(length, 8) / 1e6, 0.05);
    assertEquals(134_515_008, RandomModel.smollm2().parameterCount());
  }

  /** What docs/kernels.md says of each method. */
  @Test
  void everyMethodHasItsCount() {
    StepFlops flops = new StepFlops(RandomModel.smollm2());
    double frozen = 4 * flops.matrixWeights() + 6.0 * 30 * 64 * 576;
    double first = 2.0 * 576 * (576 + 2 * 192);
    assertEquals(flops.lora(64, 8), flops.of(TuningMethod.Lora.of(8), 64));
    TuningMethod some = new TuningMethod.Lora(8, 16, EnumSet.of(Role.UP));
    assertEquals(frozen + 6.0 * 8 * 30 * (576 + 1536) - first, flops.of(some, 64), 1);
    assertEquals(frozen + 155_520 - first, flops.of(new TuningMethod.Bias(Set.of()), 64), 1);
    assertEquals(flops.full(64), flops.of(new TuningMethod.Full(), 64));
    TuningMethod mlp = new TuningMethod.Full(new TensorPatterns(List.of("*.mlp.*")));
    // Below the first block's gate and up nothing is wanted: not their inputs' gradients, and none
    // of attention.
    double below = 2.0 * (2 * 576 * 1536 + 576 * (576 + 576 + 2 * 192)) + 4.0 * 64 * 576;
    assertEquals(frozen + 2.0 * 30 * 3 * 576 * 1536 - below, flops.of(mlp, 64), 1);
    TuningMethod table = new TuningMethod.Full(new TensorPatterns(List.of("model.embed_*")));
    assertEquals(frozen + 2.0 * 49_152 * 576, flops.of(table, 64), 1);
    double longer = 4 * flops.matrixWeights() + 6.0 * 30 * 104 * 576;
    assertEquals(longer * 104 / 64, flops.of(new TuningMethod.Prompt(40), 64), 1);
  }
}
