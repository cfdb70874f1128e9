package palimpsest.synth;

import palimpsest.engine.model.TuningMethod;

/**
 * What is tuned and how: public choices that shape the result but not the guarantee.
 *
 * @param method which parameters are trained
 * @param optimizer what moves them, and how fast
 * @param gridBits the clip norm is 2^gridBits grid steps
 */
public record TuningSpec(TuningMethod method, OptimizerSpec optimizer, int gridBits) {
  public TuningSpec {
    if (method instanceof TuningMethod.Lora lora) {
      requireUseful(lora);
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
}
