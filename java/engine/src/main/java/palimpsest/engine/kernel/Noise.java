package palimpsest.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.function.LongConsumer;
import palimpsest.engine.tensor.Tensor;

/**
 * Rounded Gaussian integers from a ChaCha20 stream, added to integer sums ({@code docs/noise.md}).
 * Elements whose rounding needs more random bits than the fast path reads are left alone and named,
 * for the exact path of the privacy module; so every provider gives the same integers.
 */
public interface Noise {
  /**
   * {@code sums[i] += round(sigmaGrid * N)} for element {@code firstElement + i} of the step,
   * wrapping modulo 2^64 or, in I32, 2^32.
   *
   * @param sums I64 or I32 [P]
   * @param firstElement number of the first element in the step's stream
   * @param key 8 words of 32 bits, the ChaCha20 key
   * @param step number of the step; a (key, step) may be used for one release only
   * @param sigmaGrid standard deviation in grid steps
   * @param undecided told the number of each element that was left alone
   */
  void accumulate(
      Tensor sums,
      long firstElement,
      MemorySegment key,
      long step,
      double sigmaGrid,
      LongConsumer undecided);
}
