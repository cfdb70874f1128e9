package palimpsest.engine.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** Sums of public gradients. */
final class FloatSum {
  private FloatSum() {}

  /** {@code to += from}, both contiguous, of one type and size. */
  static void add(Tensor from, Tensor to) {
    if (from.size() != to.size() || from.type() != to.type()) {
      throw new IllegalArgumentException("cannot add " + from + " to " + to);
    }
    if (to.type() == DType.F32) {
      // Bare memory: the loop becomes vector instructions.
      MemorySegment target = to.data();
      MemorySegment source = from.data();
      for (long at = 0; at < to.size() * Float.BYTES; at += Float.BYTES) {
        target.set(JAVA_FLOAT, at, target.get(JAVA_FLOAT, at) + source.get(JAVA_FLOAT, at));
      }
    } else {
      for (long i = 0; i < to.size(); i++) {
        to.set(i, to.get(i) + from.get(i));
      }
    }
  }
}
