package palimpsest.privacy.audit;

import palimpsest.privacy.SpecialFunctions;

/**
 * A lower bound of epsilon from one training run (Steinke, Nasr and Jagielski 2023): of m canaries,
 * each in the data by an independent fair and secret coin, an auditor names r as members or not,
 * and v guesses are right. The canaries whose membership is guessed must not be chosen by looking
 * at whether the guesses are right.
 */
public final class OneRunAudit {
  private final int canaries;
  private final int guesses;
  private final int correct;

  /** An audit's outcome: 1 <= guesses <= canaries, 0 <= correct <= guesses. */
  public OneRunAudit(int canaries, int guesses, int correct) {
    if (!(guesses >= 1 && guesses <= canaries && correct >= 0 && correct <= guesses)) {
      throw new IllegalArgumentException(
          "audit: need 1 <= guesses <= canaries and 0 <= correct <= guesses, got "
              + canaries
              + " canaries, "
              + guesses
              + " guesses, "
              + correct
              + " correct");
    }
    this.canaries = canaries;
    this.guesses = guesses;
    this.correct = correct;
  }

  /**
   * An upper bound of the chance of so many right guesses if the training is (epsilon, delta)-DP:
   * beta + 2 m delta max_i P[v - i <= X < v] / i with X ~ Binomial(r, e^epsilon / (1 + e^epsilon))
   * and beta = P[X >= v] (Theorem 5.2).
   */
  public double pValue(double epsilon, double delta) {
    if (!(epsilon >= 0 && delta >= 0 && delta < 1)) {
      throw new IllegalArgumentException("audit: need epsilon of at least 0 and delta in [0, 1)");
    }
    double p = 1 / (1 + Math.exp(-epsilon));
    double beta = SpecialFunctions.binomialTail(guesses, correct, p);
    double between = 0;
    double worst = 0;
    for (int i = 1; delta > 0 && i <= correct; i++) {
      between += Math.exp(SpecialFunctions.logBinomialPmf(guesses, correct - i, p));
      worst = Math.max(worst, between / i);
    }
    return Math.min(1, beta + 2 * canaries * delta * worst);
  }

  /**
   * The largest epsilon that the outcome rules out: with probability 1 - significance, no (epsilon,
   * delta)-DP training with a smaller epsilon than the returned one would have been audited so. 0
   * when nothing is ruled out.
   */
  public double epsilonBelow(double delta, double significance) {
    if (!(significance > 0 && significance < 1)) {
      throw new IllegalArgumentException(
          "audit: significance is " + significance + ", must be inside (0, 1)");
    }
    if (pValue(0, delta) >= significance) {
      return 0;
    }
    double low = 0;
    double high = 1;
    while (pValue(high, delta) < significance) {
      low = high;
      high *= 2;
    }
    for (int i = 0; i < 60; i++) {
      double middle = 0.5 * (low + high);
      if (pValue(middle, delta) < significance) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
