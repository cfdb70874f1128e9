package palimpsest.synth.evaluate;

/**
 * A count of successes among trials, with its Wilson score interval at 95 % (Wilson, "Probable
 * inference, the law of succession, and statistical inference", JASA 22, 1927).
 *
 * @param successes 0 to trials
 * @param trials 0 or more
 */
public record Proportion(long successes, long trials) {
  /** The 97.5 % quantile of the normal distribution. */
  static final double Z = 1.959963984540054;

  /** Checks the counts. */
  public Proportion {
    if (successes < 0 || successes > trials) {
      throw new IllegalArgumentException(
          "a proportion needs 0 <= successes <= trials, got " + successes + " of " + trials);
    }
  }

  /** Successes over trials; NaN without trials. */
  public double value() {
    return (double) successes / trials;
  }

  /** The lower end of the interval; 0 without trials. */
  public double lower() {
    return successes == 0 ? 0 : centre() - halfWidth();
  }

  /** The upper end of the interval; 1 without trials. */
  public double upper() {
    return successes == trials ? 1 : centre() + halfWidth();
  }

  private double centre() {
    return (successes + Z * Z / 2) / (trials + Z * Z);
  }

  private double halfWidth() {
    double p = value();
    return Z / (trials + Z * Z) * Math.sqrt(trials * p * (1 - p) + Z * Z / 4);
  }
}
