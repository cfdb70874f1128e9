package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class PoissonSamplerTest {
  private final SecretKey key = SecretKey.insecureDeterministic(7);

  private static MechanismSpec spec(long threshold) {
    return new MechanismSpec(
        NeighbouringRelation.ADD_REMOVE,
        1,
        1,
        threshold,
        10,
        1e-6,
        10,
        ProtectedUnit.RECORD,
        1,
        false,
        new ClipRule.Flat());
  }

  private PoissonSampler sampler(long expectedBatch, long sizeBound) {
    return new PoissonSampler(key, spec(MechanismSpec.thresholdFor(expectedBatch, sizeBound)));
  }

  private static long word(SecretKey key, long step, int record) {
    int[] block = new int[16];
    ChaCha20.blocks(key, Purpose.BATCH_SELECTION, step, record / 8, 1, block);
    int at = 2 * (record % 8);
    return Integer.toUnsignedLong(block[at]) | (long) block[at + 1] << 32;
  }

  @Test
  @Tag("R13")
  void everyRecordIsDrawnAtTheDeclaredRate() {
    int records = 1000;
    int steps = 2000;
    int[] counts = new int[records];
    PoissonSampler sampler = sampler(30, 1000);
    for (int step = 0; step < steps; step++) {
      for (int i : sampler.draw(step, records)) {
        counts[i]++;
      }
    }
    double chiSquare = 0;
    double expected = steps * 0.03;
    for (int count : counts) {
      chiSquare += (count - expected) * (count - expected) / (expected * 0.97);
    }
    assertEquals(
        expected * records, Arrays.stream(counts).sum(), 5 * Math.sqrt(expected * records * 0.97));
    assertEquals(records, chiSquare, 5 * Math.sqrt(2.0 * records));
  }

  /** R02: a shuffled batch has one size; a Poisson batch has the binomial variance. */
  @Test
  @Tag("R02")
  void batchSizeIsBinomial() {
    int steps = 20_000;
    double sum = 0;
    double squares = 0;
    PoissonSampler sampler = sampler(40, 400);
    for (int step = 0; step < steps; step++) {
      double size = sampler.draw(step, 400).length - 40;
      sum += size;
      squares += size * size;
    }
    double variance = 400 * 0.1 * 0.9;
    assertEquals(0, sum / steps, 5 * Math.sqrt(variance / steps));
    assertEquals(1, squares / steps / variance, 5 * Math.sqrt(2.0 / steps));
  }

  /**
   * Pairs of records and pairs of steps are drawn together no more and no less than independence
   * says.
   */
  @Test
  void coOccurrenceIsThatOfIndependentDraws() {
    int records = 40;
    int steps = 40_000;
    int[][] together = new int[records][records];
    int[] twice = new int[records];
    int[] before = {};
    PoissonSampler sampler = sampler(1, 4);
    for (int step = 0; step < steps; step++) {
      int[] batch = sampler.draw(step, records);
      for (int i : batch) {
        for (int j : batch) {
          together[i][j]++;
        }
      }
      int[] last = before;
      IntStream.of(batch).filter(i -> Arrays.binarySearch(last, i) >= 0).forEach(i -> twice[i]++);
      before = batch;
    }
    double p = 1.0 / 16;
    double limit = 5 * Math.sqrt(steps * p * (1 - p));
    for (int i = 0; i < records; i++) {
      assertEquals(steps * p, twice[i], limit);
      for (int j = 0; j < i; j++) {
        assertEquals(steps * p, together[i][j], limit, i + " with " + j);
      }
    }
  }

  /**
   * R01: a record that is never drawn changes nothing; the union of shards is the global draw
   * (R04).
   */
  @Test
  @Tag("R04")
  void drawDependsOnNothingButKeyStepAndRecord() {
    PoissonSampler sampler = sampler(1, 3);
    int[] all = sampler.draw(5, 3000);
    for (int records : new int[] {0, 1, 7, 8, 9, 511, 512, 513, 2999}) {
      int[] expected = IntStream.of(all).filter(i -> i < records).toArray();
      assertArrayEquals(expected, sampler.draw(5, records));
    }
    int[] shards =
        IntStream.of(0, 100, 613, 2048)
            .flatMap(first -> {
              int end = first == 0 ? 100 : first == 100 ? 613 : first == 613 ? 2048 : 3000;
              return IntStream.of(sampler.draw(5, first, end));
            })
            .toArray();
    assertArrayEquals(all, shards);
  }

  @Test
  @Tag("R44")
  void thresholdIsComparedUnsignedAndStrictly() {
    int records = 4096;
    int lowest = 0;
    int highest = 0;
    for (int i = 1; i < records; i++) {
      lowest = Long.compareUnsigned(word(key, 0, i), word(key, 0, lowest)) < 0 ? i : lowest;
      highest = Long.compareUnsigned(word(key, 0, i), word(key, 0, highest)) > 0 ? i : highest;
    }
    long least = word(key, 0, lowest);
    assertArrayEquals(new int[] {}, new PoissonSampler(key, spec(least)).draw(0, records));
    assertArrayEquals(
        new int[] {lowest}, new PoissonSampler(key, spec(least + 1)).draw(0, records));
    long most = word(key, 0, highest);
    assertEquals(records - 1, new PoissonSampler(key, spec(most)).draw(0, records).length);
    assertEquals(records, new PoissonSampler(key, spec(most + 1)).draw(0, records).length);
  }

  @Test
  void extremeThresholds() {
    int[] everyone = IntStream.range(0, 10_000).toArray();
    assertArrayEquals(new int[] {}, new PoissonSampler(key, spec(1)).draw(0, 10_000));
    assertArrayEquals(everyone, new PoissonSampler(key, spec(-1)).draw(0, 10_000));
    assertArrayEquals(
        everyone, new PoissonSampler(key, spec(0)).draw(0, 10_000), "0 stands for 2^64: always");
  }

  /** R03: an empty batch is an empty batch, not an error and not a skipped step. */
  @Test
  void emptyBatchesAreReturned() {
    PoissonSampler sampler = sampler(1, 1_000_000);
    long empty = IntStream.range(0, 200).filter(t -> sampler.draw(t, 100).length == 0).count();
    assertTrue(empty >= 199, "empty batches: " + empty);
    assertArrayEquals(new int[] {}, sampler.draw(0, 0));
  }

  @Test
  void refusesBadRanges() {
    PoissonSampler sampler = sampler(1, 2);
    assertThrows(IllegalArgumentException.class, () -> sampler.draw(0, -1));
    assertThrows(IllegalArgumentException.class, () -> sampler.draw(0, 5, 4));
  }
}
