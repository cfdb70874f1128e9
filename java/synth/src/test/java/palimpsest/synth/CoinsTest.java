package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;

class CoinsTest {
  private static final int MANY = 100_000;

  private static int[] tossed(SecretKey key) {
    Coins coins = Coins.toss(key, MANY);
    return IntStream.range(0, MANY).map(i -> coins.in(i) ? 1 : 0).toArray();
  }

  private static void assertFair(int[] bits, String what) {
    double deviation = 0.5 / Math.sqrt(bits.length);
    assertEquals(0.5, IntStream.of(bits).average().orElseThrow(), 5 * deviation, what);
  }

  /** How often two rows of bits agree, as bits. */
  private static int[] agreement(int[] a, int[] b) {
    return IntStream.range(0, a.length).map(i -> a[i] == b[i] ? 1 : 0).toArray();
  }

  @Test
  void coinsAreFairAndIndependent() {
    try (SecretKey key = SecretKey.insecureDeterministic(1)) {
      int[] bits = tossed(key);
      assertFair(bits, "heads");
      for (int lag : new int[] {1, 2, 32, 512}) {
        int[] later = IntStream.range(0, MANY).map(i -> bits[(i + lag) % MANY]).toArray();
        assertFair(agreement(bits, later), "a coin and the one " + lag + " after it");
      }
    }
  }

  /** The key is the only way to them: another tells nothing, nor does what canaries are made of. */
  @Test
  void coinsAreSecret() {
    try (SecretKey one = SecretKey.fromOperatingSystem();
        SecretKey other = SecretKey.fromOperatingSystem()) {
      int[] bits = tossed(one);
      assertFair(agreement(bits, tossed(other)), "coins of two keys");
      Uniforms random = new Uniforms(one, Purpose.CANARIES);
      for (int position : new int[] {0, 1}) {
        int[] content =
            IntStream.range(0, MANY)
                .map(i -> random.at(Coins.STREAM + 1 + i, position, 2))
                .toArray();
        assertFair(agreement(bits, content), "coins and the canaries' content");
      }
    }
  }

  @Test
  void scoresArePartedAndGuessesCounted() {
    try (SecretKey key = SecretKey.insecureDeterministic(2)) {
      Coins coins = Coins.toss(key, 40);
      double[] right = IntStream.range(0, 40).mapToDouble(i -> coins.in(i) ? 1 : 0).toArray();
      int members = (int) IntStream.range(0, 40).filter(coins::in).count();
      assertArrayEquals(
          IntStream.range(0, members).mapToDouble(_ -> 1).toArray(), coins.scoresOf(true, right));
      assertArrayEquals(new double[40 - members], coins.scoresOf(false, right));
      assertEquals(40, coins.rightGuesses(right, members, 40 - members));
      assertEquals(3, coins.rightGuesses(right, 3, 0));
      assertEquals(4, coins.rightGuesses(right, 0, 4));
      double[] wrong = IntStream.range(0, 40).mapToDouble(i -> -right[i]).toArray();
      assertEquals(0, coins.rightGuesses(wrong, 3, 4));
    }
  }
}
