package palimpsest.engine.kernel.reference;

import java.lang.foreign.MemorySegment;
import java.util.function.LongConsumer;
import palimpsest.engine.kernel.Noise;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * {@link Noise} without a fast path: every element is left to the exact one, which is the
 * reference.
 */
final class NoiseReference implements Noise {
  @Override
  public void accumulate(
      Tensor sums,
      long firstElement,
      MemorySegment key,
      long step,
      double sigmaGrid,
      LongConsumer undecided) {
    Check.type("sums", sums, DType.I64, DType.I32);
    for (long i = 0; i < sums.size(); i++) {
      undecided.accept(firstElement + i);
    }
  }
}
