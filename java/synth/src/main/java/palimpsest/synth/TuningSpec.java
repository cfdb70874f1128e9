package palimpsest.synth;

import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.TuningMethod;

/**
 * What is tuned and how: public choices that shape the result but not the guarantee.
 *
 * @param method which parameters are trained
 * @param learningRate peak of the schedule
 * @param warmup steps over which the rate rises from 0 to its peak
 * @param finalRate the rate falls linearly to this share of the peak at the last step
 * @param gridBits the clip norm is 2^gridBits grid steps
 */
public record TuningSpec(
    TuningMethod method, double learningRate, int warmup, double finalRate, int gridBits) {
  public TuningSpec {
    if (method instanceof TuningMethod.Lora lora) {
      requireUseful(lora);
    }
    if (!(learningRate > 0 && learningRate < 1)) {
      throw new IllegalArgumentException(
          "the learning rate must be in (0, 1), not " + learningRate);
    }
    if (warmup < 0 || !(finalRate >= 0 && finalRate <= 1)) {
      throw new IllegalArgumentException(
          "the warm-up must be 0 or more steps, the final rate in [0, 1]");
    }
  }

  private static void requireUseful(TuningMethod.Lora lora) {
    if (lora.rank() > 256) {
      throw new IllegalArgumentException("the adapter rank must be 1 to 256, not " + lora.rank());
    }
    if (lora.alpha() > 1e4) {
      throw new IllegalArgumentException(
          "the adapter's alpha must be at most 10000, not " + lora.alpha());
    }
  }

  /**
   * AdamW's settings in a step (from 1) of so many. Decay is off: noise already holds the weights
   * small.
   */
  Optimizer.AdamW optimizer(long step, long steps) {
    double rate =
        step <= warmup
            ? (double) step / (warmup + 1)
            : 1 - (1 - finalRate) * (step - warmup) / Math.max(1, steps - warmup);
    return new Optimizer.AdamW(learningRate * rate, 0.9, 0.99, 1e-8, 0);
  }
}
