package palimpsest.synth;

import java.util.Collections;
import java.util.List;

/**
 * The SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014). It is fixed here so that the shipped data and the order of public
 * training can be made again to the bit on any platform. Not cryptographic: nothing private may
 * depend on it.
 */
public final class SplitMix64 {
  private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

  private long state;

  public SplitMix64(long seed) {
    this.state = seed;
  }

  /** The next 64 bits. */
  public long nextLong() {
    state += GOLDEN_GAMMA;
    return mix(state);
  }

  /** A whole number in [0, bound); the bias is below bound / 2^64. */
  public int nextInt(int bound) {
    if (bound <= 0) {
      throw new IllegalArgumentException("bound must be positive, got " + bound);
    }
    return (int) Math.unsignedMultiplyHigh(nextLong(), bound);
  }

  /** True with probability percent / 100. */
  public boolean chance(int percent) {
    return nextInt(100) < percent;
  }

  /** One element, each as likely as another. */
  public <T> T pick(List<T> list) {
    return list.get(nextInt(list.size()));
  }

  /** Fisher-Yates, in place. */
  public void shuffle(List<?> list) {
    for (int i = list.size() - 1; i > 0; i--) {
      Collections.swap(list, i, nextInt(i + 1));
    }
  }

  /** The finaliser: a bijection of 64-bit words that spreads every input bit. */
  public static long mix(long word) {
    word = (word ^ (word >>> 30)) * 0xBF58476D1CE4E5B9L;
    word = (word ^ (word >>> 27)) * 0x94D049BB133111EBL;
    return word ^ (word >>> 31);
  }
}
