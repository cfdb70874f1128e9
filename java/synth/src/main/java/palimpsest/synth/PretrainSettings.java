package palimpsest.synth;

/**
 * How a model is trained on public text.
 *
 * @param length T, tokens that a sequence predicts
 * @param batch sequences a step
 * @param steps updates in all
 * @param optimizer what moves the weights, and how fast; matrices decay, vectors do not
 * @param clipNorm the average gradient is scaled down to this L2 norm if it is longer
 * @param seed of the order of the text
 */
public record PretrainSettings(
    int length, int batch, int steps, OptimizerSpec optimizer, double clipNorm, long seed) {
  /** Checks every part. */
  public PretrainSettings {
    if (length < 1 || batch < 1 || steps < 0) {
      throw new IllegalArgumentException("length and batch must be positive, steps not negative");
    }
    if (!(clipNorm > 0)) {
      throw new IllegalArgumentException("the clip norm must be positive, not " + clipNorm);
    }
  }

  /** What is taken where nothing is asked of the optimizer. */
  public static OptimizerChoice.Standard standard(int steps) {
    return new OptimizerChoice.Standard(
        OptimizerKind.ADAMW, 1e-3, 0.95, 0.1, Schedule.COSINE, steps / 20);
  }
}
