package palimpsest.engine.train;

/**
 * One record as the model sees it.
 *
 * @param tokens prefix, text and end token
 * @param prefix how many of them are prefix, whose prediction has no weight
 */
public record Example(int[] tokens, int prefix) {
  public Example {
    if (prefix < 0 || prefix > tokens.length) {
      throw new IllegalArgumentException(
          "a prefix of " + prefix + " in " + tokens.length + " tokens");
    }
  }

  /** The shape only; the tokens may be private. */
  @Override
  public String toString() {
    return "Example";
  }
}
