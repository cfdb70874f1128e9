package palimpsest.synth.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
}
