package palimpsest.engine.train;

import java.util.Arrays;

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

  /**
   * A text with its label, as classifiers read it: all of the text is prefix, and the label is the
   * one target.
   *
   * @param text its tokens
   * @param label from 0
   */
  public static Example labelled(int[] text, int label) {
    int[] tokens = Arrays.copyOf(text, text.length + 1);
    tokens[text.length] = label;
    return new Example(tokens, text.length);
  }

  /** The shape only; the tokens may be private. */
  @Override
  public String toString() {
    return "Example";
  }
}
