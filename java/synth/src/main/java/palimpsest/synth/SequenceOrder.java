package palimpsest.synth;

import java.util.Arrays;
import palimpsest.engine.train.Example;

/**
 * The order in which public text is read: cut into sequences that predict T tokens each, every one
 * once an epoch, shuffled anew in each. What a step reads follows from its number, so a resumed run
 * goes on where it was.
 */
final class SequenceOrder {
  private final int[] tokens;
  private final int length;
  private final long seed;
  private final int[] order;
  private long epoch = -1;

  /**
   * @param tokens of all texts, one after the other
   * @param length T
   */
  SequenceOrder(int[] tokens, int length, long seed) {
    this.tokens = tokens;
    this.length = length;
    this.seed = seed;
    order = new int[(tokens.length - 1) / length];
    if (order.length == 0) {
      throw new IllegalArgumentException(
          "the text has " + tokens.length + " tokens, a sequence of " + length + " needs one more");
    }
  }

  /** Sequences of an epoch. */
  int size() {
    return order.length;
  }

  /** The n-th sequence that training reads, from 0. */
  Example get(long n) {
    shuffle(n / order.length);
    int at = order[(int) (n % order.length)] * length;
    return new Example(Arrays.copyOfRange(tokens, at, at + length + 1), 0);
  }

  private void shuffle(long wanted) {
    if (wanted == epoch) {
      return;
    }
    SplitMix64 random = new SplitMix64(SplitMix64.mix(seed) + wanted);
    for (int i = 0; i < order.length; i++) {
      order[i] = i;
    }
    for (int i = order.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    epoch = wanted;
  }
}
