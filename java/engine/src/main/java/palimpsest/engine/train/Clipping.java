package palimpsest.engine.train;

/**
 * By which share of it an example's gradient enters a sum, and whether the whole of it or each
 * block of the model is held to a bound of its own. Whatever the share, what enters is verified: no
 * choice here can change what a sum's sensitivity is.
 */
public sealed interface Clipping {
  /** The whole gradient, by min(1, C / norm) (Abadi et al. 2016). */
  record Flat() implements Clipping {}

  /**
   * Each group of parameters by itself, by min(1, C / (sqrt(G) norm)), of G groups (McMahan et al.
   * 2018): one for each block of the model, see {@link ClipGroups}.
   */
  record PerLayer() implements Clipping {}

  /**
   * The whole gradient, by C / (norm + gamma): all come to a norm just below C, small ones too
   * (AUTO-S, Bu, Wang, Zha and Karypis 2022).
   *
   * @param gamma positive and finite, in units of the gradient
   */
  record Automatic(double gamma) implements Clipping {
    public Automatic {
      if (!(gamma > 0 && gamma < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("gamma must be positive and finite, not " + gamma);
      }
    }
  }

  /**
   * What a gradient is multiplied by, so that its norm is at most the bound.
   *
   * @param norm finite
   * @param bound of the norm of what enters
   */
  default double share(double norm, double bound) {
    return switch (this) {
      case Flat _, PerLayer _ -> Math.min(1, bound / norm);
      case Automatic automatic -> bound / (norm + automatic.gamma());
    };
  }
}
