package palimpsest.synth.evaluate;

/**
 * How surprised a model is by texts that it had no part in.
 *
 * @param nats sum over all tokens of minus the natural logarithm of their probability
 * @param tokens how many
 */
public record Perplexity(double nats, long tokens) {
  /** e to the mean over the tokens; NaN without any. */
  public double value() {
    return Math.exp(nats / tokens);
  }
}
