package palimpsest.synth.evaluate;

import java.util.Arrays;

/**
 * How close a synthetic set is to real texts by MAUVE, beside what two sets of real texts have of
 * each other: the figure falls with fewer texts, so all three sets have equally many.
 *
 * @param texts in each of the sets
 * @param synthetic the synthetic set against real texts
 * @param real other real texts against the same ones
 */
public record Likeness(int texts, Mauve synthetic, Mauve real) {
  /** Real texts are halved, so this many are needed, and half as many synthetic ones. */
  public static final int FEWEST_REAL = 40;

  /**
   * Compares, by embeddings.
   *
   * @param synthetic of the synthetic texts; the first are taken
   * @param real of the real ones, {@link #FEWEST_REAL} or more; every other one is set against the
   *     rest
   * @param seed of the clustering
   */
  public static Likeness of(float[][] synthetic, float[][] real, long seed) {
    if (real.length < FEWEST_REAL || synthetic.length < FEWEST_REAL / 2) {
      throw new IllegalArgumentException(
          "%d synthetic and %d real texts are too few to compare"
              .formatted(synthetic.length, real.length));
    }
    int texts = Math.min(synthetic.length, real.length / 2);
    float[][] even = everyOther(real, 0, texts);
    float[][] odd = everyOther(real, 1, texts);
    return new Likeness(
        texts, Mauve.of(even, Arrays.copyOf(synthetic, texts), seed), Mauve.of(even, odd, seed));
  }

  private static float[][] everyOther(float[][] rows, int first, int count) {
    float[][] taken = new float[count][];
    Arrays.setAll(taken, i -> rows[2 * i + first]);
    return taken;
  }
}
