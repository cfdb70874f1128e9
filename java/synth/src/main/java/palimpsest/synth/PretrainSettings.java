package palimpsest.synth;

import palimpsest.engine.kernel.Optimizer;

/**
 * How a model is trained on public text.
 *
 * @param length T, tokens that a sequence predicts
 * @param batch sequences a step
 * @param steps updates in all
 * @param learningRate peak of the schedule
 * @param warmup steps over which the rate rises from 0 to its peak
 * @param schedule how it goes on
 * @param weightDecay decoupled decay of matrices; vectors have none
 * @param clipNorm the average gradient is scaled down to this L2 norm if it is longer
 * @param seed of the order of the text
 */
public record PretrainSettings(
    int length,
    int batch,
    int steps,
    double learningRate,
    int warmup,
    Schedule schedule,
    double weightDecay,
    double clipNorm,
    long seed) {
  /** How the learning rate goes on after the warm-up. */
  public enum Schedule {
    /** It stays. */
    CONSTANT,
    /** It falls on a line to a tenth. */
    LINEAR,
    /** It falls on half a cosine to a tenth (Loshchilov and Hutter 2017). */
    COSINE
  }

  private static final double LAST = 0.1;

  /** Checks every part. */
  public PretrainSettings {
    if (length < 1 || batch < 1 || steps < 0 || warmup < 0) {
      throw new IllegalArgumentException(
          "length and batch must be positive, steps and warm-up not negative");
    }
    if (!(learningRate > 0 && learningRate < 1) || !(weightDecay >= 0 && weightDecay < 1)) {
      throw new IllegalArgumentException(
          "the learning rate must be in (0, 1), the weight decay in [0, 1)");
    }
    if (!(clipNorm > 0)) {
      throw new IllegalArgumentException("the clip norm must be positive, not " + clipNorm);
    }
  }

  /** AdamW's settings in a step (from 1). */
  Optimizer.AdamW optimizer(long step, boolean decay) {
    return new Optimizer.AdamW(
        learningRate * share(step), 0.9, 0.95, 1e-8, decay ? weightDecay : 0);
  }

  /** The rate of a step as a share of the peak. */
  double share(long step) {
    if (step <= warmup) {
      return (double) step / (warmup + 1);
    }
    double gone = (double) (step - warmup) / Math.max(1, steps - warmup);
    return switch (schedule) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - (1 - LAST) * gone;
      case COSINE -> LAST + (1 - LAST) * 0.5 * (1 + StrictMath.cos(Math.PI * gone));
    };
  }
}
