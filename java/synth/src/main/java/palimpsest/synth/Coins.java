package palimpsest.synth;

import java.util.Comparator;
import java.util.stream.IntStream;
import palimpsest.privacy.ChaCha20;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;

/** Which canaries of an audit are in the data: a fair and secret coin each. */
final class Coins {
  /** The stream of the coins; other streams of the same key and purpose make the canaries. */
  static final int STREAM = 0;

  private final boolean[] in;

  private Coins(boolean[] in) {
    this.in = in;
  }

  /** One coin a canary. */
  static Coins toss(SecretKey key, int canaries) {
    boolean[] in = new boolean[canaries];
    int[] words = new int[ChaCha20.BLOCK_WORDS];
    for (int i = 0; i < in.length; i++) {
      int bit = i % (32 * words.length);
      if (bit == 0) {
        ChaCha20.blocks(key, Purpose.CANARIES, STREAM, i / (32 * words.length), 1, words);
      }
      in[i] = (words[bit / 32] >>> bit % 32 & 1) == 1;
    }
    return new Coins(in);
  }

  boolean in(int canary) {
    return in[canary];
  }

  /** The scores of the canaries that are in, or of the others. */
  double[] scoresOf(boolean wanted, double[] scores) {
    return IntStream.range(0, in.length)
        .filter(i -> in[i] == wanted)
        .mapToDouble(i -> scores[i])
        .toArray();
  }

  /**
   * How many guesses are right when the canaries with the highest scores are named members and
   * those with the lowest not; how many of each is settled before the scores are seen.
   */
  int rightGuesses(double[] scores, int highest, int lowest) {
    int[] order =
        IntStream.range(0, in.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> scores[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    int right = 0;
    for (int i = 0; i < lowest; i++) {
      right += in[order[i]] ? 0 : 1;
    }
    for (int i = order.length - highest; i < order.length; i++) {
      right += in[order[i]] ? 1 : 0;
    }
    return right;
  }
}
