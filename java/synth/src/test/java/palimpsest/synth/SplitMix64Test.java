package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SplitMix64Test {

  /** The platform's generator documents the same algorithm. */
  @Test
  void agreesWithTheSplittableRandomOfThePlatform() {
    for (long seed : new long[] {0, 1, -1, 1234567, Long.MIN_VALUE}) {
      SplitMix64 ours = new SplitMix64(seed);
      SplittableRandom theirs = new SplittableRandom(seed);
      for (int i = 0; i < 100; i++) {
        assertEquals(theirs.nextLong(), ours.nextLong());
      }
    }
  }

  @Test
  void bitsOfThePublishedVector() {
    SplitMix64 random = new SplitMix64(1234567);
    assertEquals(6457827717110365317L, random.nextLong());
    assertEquals(3203168211198807973L, random.nextLong());
    assertEquals(Long.parseUnsignedLong("9817491932198370423"), random.nextLong());
  }

  @Test
  void boundedDrawsAreEven() {
    SplitMix64 random = new SplitMix64(5);
    int[] counts = new int[7];
    for (int i = 0; i < 70_000; i++) {
      counts[random.nextInt(7)]++;
    }
    for (int count : counts) {
      assertTrue(Math.abs(count - 10_000) < 500, "count " + count);
    }
    assertThrows(IllegalArgumentException.class, () -> random.nextInt(0));
  }

  @Test
  void shuffleIsAPermutationThatMoves() {
    List<Integer> sorted = IntStream.range(0, 100).boxed().toList();
    List<Integer> list = new ArrayList<>(sorted);
    new SplitMix64(9).shuffle(list);
    assertEquals(new HashSet<>(sorted), new HashSet<>(list));
    assertTrue(IntStream.range(0, 100).filter(i -> list.get(i) == i).count() < 10);
  }
}
