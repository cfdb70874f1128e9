package palimpsest.privacy;

import java.util.Arrays;
import java.util.Objects;

/**
 * Poisson sampling: every record takes part in every step independently, with the exact rational
 * rate of the run's {@link MechanismSpec}.
 *
 * <p>Record i of step t takes part when its own 64-bit word of the batch-selection stream is below
 * the threshold. So the draw does not depend on the order of evaluation, adding or removing a
 * record changes nothing for the others, and the shards of a cluster draw parts of one global
 * batch. An empty batch is a batch: the step adds its noise and is paid for.
 *
 * <p>Amplification by sampling assumes that nobody learns who took part: what {@link #draw} returns
 * must not be logged, stored or put in a checkpoint. Immutable and safe for use by several threads;
 * the key must stay open.
 */
public final class PoissonSampler {
  private static final int RECORDS_PER_BLOCK = ChaCha20.BLOCK_WORDS / 2;
  private static final int BLOCKS_AT_ONCE = 64;

  private final SecretKey key;
  private final MechanismSpec spec;

  /**
   * A sampler with the rate of {@code spec}.
   *
   * @param key the run's secret key
   */
  public PoissonSampler(SecretKey key, MechanismSpec spec) {
    this.key = Objects.requireNonNull(key, "key");
    this.spec = Objects.requireNonNull(spec, "spec");
  }

  /**
   * The records that take part in a step, ascending. Secret: see above.
   *
   * @param step the step; a (key, step) may be used for one release only
   * @param records number of records, 0 or more
   */
  public int[] draw(long step, int records) {
    return draw(step, 0, records);
  }

  /**
   * The records in [first, end) that take part in a step, ascending: a shard of the global draw.
   * Secret: see above.
   *
   * @throws IllegalArgumentException unless {@code 0 <= first <= end}
   */
  public int[] draw(long step, int first, int end) {
    if (first < 0 || end < first) {
      throw new IllegalArgumentException("PoissonSampler: need 0 <= first <= end");
    }
    int[] words = new int[BLOCKS_AT_ONCE * ChaCha20.BLOCK_WORDS];
    int[] drawn = new int[16];
    int size = 0;
    int stride = BLOCKS_AT_ONCE * RECORDS_PER_BLOCK;
    for (long base = first - first % stride; base < end; base += stride) {
      int counter = (int) (base / RECORDS_PER_BLOCK);
      ChaCha20.blocks(key, Purpose.BATCH_SELECTION, step, counter, BLOCKS_AT_ONCE, words);
      int to = (int) Math.min(end - base, stride);
      for (int i = (int) Math.max(0, first - base); i < to; i++) {
        long word = Integer.toUnsignedLong(words[2 * i]) | (long) words[2 * i + 1] << 32;
        if (spec.includes(word)) {
          drawn = size == drawn.length ? Arrays.copyOf(drawn, 2 * size) : drawn;
          drawn[size++] = (int) base + i;
        }
      }
    }
    Arrays.fill(words, 0);
    return Arrays.copyOf(drawn, size);
  }
}
