package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import java.util.function.Function;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * Batch invariance to the bit: an example of a few rows is placed alone, first, last and in the
 * middle of any number of rows, among neighbours that are NaN or ordinary numbers, and what a
 * kernel writes for it must not change.
 */
final class Invariance {
  private static final int MOST_ROWS = 40;

  private Invariance() {}

  /**
   * @param length rows of the example
   * @param kernel runs the kernel in a placement and returns the bits written for the example
   */
  static void check(Kernels kernels, int length, Function<Placement, long[]> kernel) {
    long[] alone;
    try (Fixture fixture = new Fixture(kernels, 1)) {
      alone = kernel.apply(new Placement(fixture, length, 0, length, true));
    }
    for (int rows = length; rows <= Math.max(length, MOST_ROWS); rows++) {
      int last = rows - length;
      for (int at : new int[] {0, last / 2, last}) {
        compare(kernels, kernel, rows, at, length, true, alone);
      }
      compare(kernels, kernel, rows, last / 2, length, false, alone);
    }
  }

  private static void compare(
      Kernels kernels,
      Function<Placement, long[]> kernel,
      int rows,
      int at,
      int length,
      boolean poisoned,
      long[] alone) {
    try (Fixture fixture = new Fixture(kernels, rows)) {
      Placement placement = new Placement(fixture, rows, at, length, poisoned);
      assertArrayEquals(alone, kernel.apply(placement), placement::toString);
    }
  }

  /** Rows [at, at + length) of {@code rows} are the example's, the others its neighbours'. */
  record Placement(Fixture fixture, int rows, int at, int length, boolean poisoned) {
    /** The example's matrix among its neighbours. */
    Tensor around(Tensor subject) {
      Tensor result = fixture.empty(subject.type(), rows, subject.cols());
      boolean integer = subject.type() == DType.I32;
      for (int n = 0; n < rows; n++) {
        boolean own = n >= at && n < at + length;
        for (int i = 0; i < subject.cols(); i++) {
          double neighbour = poisoned ? Double.NaN : 3 * fixture.random().nextGaussian();
          result.set(n, i, own ? subject.get(n - at, i) : integer ? 0 : neighbour);
        }
      }
      return result;
    }

    /** The example's vector, a number a row, among its neighbours. */
    Tensor aroundVector(Tensor subject) {
      return around(subject.reshape(length, 1)).reshape(rows);
    }

    /** A NaN-filled matrix. */
    Tensor empty(DType type, long cols) {
      return fixture.empty(type, rows, cols);
    }

    /** A NaN-filled vector. */
    Tensor emptyVector(DType type) {
      return fixture.empty(type, rows);
    }

    /** A fresh copy: a sum that the kernel adds to. */
    Tensor sum(Tensor start) {
      return fixture.copy(start, start.type());
    }

    /** The example's rows in outputs of one row a row. */
    long[] ownBits(Tensor... outputs) {
      long[][] parts = new long[outputs.length][];
      for (int i = 0; i < outputs.length; i++) {
        int width = (int) (outputs[i].size() / rows);
        parts[i] = bitsOf(outputs[i], at * width, (at + length) * width);
      }
      return join(parts);
    }

    long[] allBits(Tensor... outputs) {
      long[][] parts = new long[outputs.length][];
      for (int i = 0; i < outputs.length; i++) {
        parts[i] = bitsOf(outputs[i], 0, (int) outputs[i].size());
      }
      return join(parts);
    }

    private static long[] bitsOf(Tensor tensor, int from, int to) {
      long[] bits = new long[to - from];
      for (int i = from; i < to; i++) {
        double value = tensor.get(i);
        // An output left NaN would be equal everywhere without having been computed.
        bits[i - from] = Double.isNaN(value) ? fail(tensor) : Double.doubleToRawLongBits(value);
      }
      return bits;
    }

    private static long fail(Tensor tensor) {
      throw new AssertionError("NaN came into the example's output " + tensor);
    }

    long[] join(long[]... parts) {
      return Arrays.stream(parts).flatMapToLong(Arrays::stream).toArray();
    }

    @Override
    public String toString() {
      return "rows ["
          + at
          + ", "
          + (at + length)
          + ") of "
          + rows
          + (poisoned ? " among NaN" : " among others");
    }
  }
}
