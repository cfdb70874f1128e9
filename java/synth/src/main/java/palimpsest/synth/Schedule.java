package palimpsest.synth;

import java.util.Locale;

/** How a learning rate goes on after its warm-up. */
public enum Schedule {
  /** It stays. */
  CONSTANT,
  /** It falls on a line. */
  LINEAR,
  /** It falls on half a cosine (Loshchilov and Hutter 2017). */
  COSINE;

  /** One word, as written in files and on the command line. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The rate of a step as a share of the peak: rising on a line over the warm-up, at the peak in
   * its last step but for {@code 1 / (warmup + 1)}, and at {@code last} in the last step of all
   * unless it stays.
   *
   * @param step from 1
   * @param steps of all training
   * @param warmup steps over which the rate rises
   * @param last share at the last step
   */
  double share(long step, long steps, int warmup, double last) {
    if (step <= warmup) {
      return (double) step / (warmup + 1);
    }
    double gone = (double) (step - warmup) / Math.max(1, steps - warmup);
    return switch (this) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - (1 - last) * gone;
      case COSINE -> last + (1 - last) * 0.5 * (1 + StrictMath.cos(Math.PI * gone));
    };
  }
}
