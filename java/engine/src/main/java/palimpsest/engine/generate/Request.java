package palimpsest.engine.generate;

/**
 * A text to be sampled.
 *
 * @param index names the text: its random numbers follow from it
 * @param prefix which of the generator's prefixes it continues
 * @param generic which prefix the guidance steers away from; {@link #NONE} without guidance
 */
public record Request(int index, int prefix, int generic) {
  /** No prefix. */
  public static final int NONE = -1;

  /** A text without guidance. */
  public Request(int index, int prefix) {
    this(index, prefix, NONE);
  }
}
