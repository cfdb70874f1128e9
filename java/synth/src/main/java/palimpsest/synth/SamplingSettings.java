package palimpsest.synth;

/**
 * How texts are sampled from the released model: all of it free post-processing.
 *
 * @param records how many records are wanted
 * @param temperature of the softmax; 0 takes the likeliest token
 * @param topK only the k likeliest tokens; 0 for all
 * @param topP only the likeliest tokens of this much probability
 * @param guidance w of label guidance: (1 + w) log p(text | label) - w log p(text | generic
 *     prompt); 0 for none
 * @param judge keep a text only if the model itself finds its label the likeliest
 * @param minCharacters shorter texts are dropped
 */
public record SamplingSettings(
    int records,
    double temperature,
    int topK,
    double topP,
    double guidance,
    boolean judge,
    int minCharacters) {
  public SamplingSettings {
    if (records < 0 || records > 10_000_000) {
      throw new IllegalArgumentException("records is " + records + "; it must be 0 to 10000000");
    }
    if (!(temperature >= 0 && temperature <= 10)) {
      throw new IllegalArgumentException("temperature is " + temperature + "; it must be 0 to 10");
    }
    if (topK < 0 || !(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException("top-k must be 0 or more and top-p in (0, 1]");
    }
    if (!(guidance >= 0 && guidance <= 20)) {
      throw new IllegalArgumentException("guidance is " + guidance + "; it must be 0 to 20");
    }
  }

  /** Nucleus sampling at 0.95 with label guidance. */
  public static SamplingSettings of(int records) {
    return new SamplingSettings(records, 1, 0, 0.95, 2, false, 3);
  }
}
