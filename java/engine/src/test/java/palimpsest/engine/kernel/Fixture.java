package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Seeded inputs and NaN-filled outputs of a provider's types. */
final class Fixture implements AutoCloseable {
  /** Whether to run every size; the default leaves out what is large and says little more. */
  static final boolean FULL = Boolean.getBoolean("palimpsest.test.full");

  static final int[] ROWS = {1, 2, 7, 13, 33};

  /** Widths that a matrix product sums over. */
  static final int[] INNER = {2, 8, 16, 18, 64, 172, 576};

  /** Widths that it does not. */
  static final int[] OUTER = {2, 8, 16, 18, 53, 64, 172, 576};

  private static final int MARGIN = 8;

  private final Kernels kernels;
  private final Random random;
  private final boolean strided;
  private final TensorArena arena = new TensorArena();
  private final List<Tensor> margins = new ArrayList<>();

  Fixture(Kernels kernels, long seed) {
    this(kernels, seed, false);
  }

  /**
   * @param strided whether matrices of activations are column ranges of wider ones filled with NaN
   */
  Fixture(Kernels kernels, long seed, boolean strided) {
    this.kernels = kernels;
    this.random = new Random(seed);
    this.strided = strided;
  }

  TensorArena arena() {
    return arena;
  }

  Random random() {
    return random;
  }

  /** A normal matrix or vector of the compute type. */
  Tensor compute(long... shape) {
    return normal(kernels.compute(), shape);
  }

  /** A normal matrix or vector of the wide type. */
  Tensor wide(long... shape) {
    return normal(kernels.wide(), shape);
  }

  /**
   * A normal contiguous matrix of the wide type whose values the compute type holds exactly:
   * packing them loses nothing, so the oracle multiplies the same numbers.
   */
  Tensor operand(long... shape) {
    return contiguous(normal(kernels.compute(), shape), kernels.wide());
  }

  private Tensor normal(DType type, long... shape) {
    Tensor tensor = empty(type, shape);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, random.nextGaussian());
    }
    return tensor;
  }

  /** I32 in [0, limit). */
  Tensor integers(int limit, int count) {
    Tensor tensor = arena.allocate(DType.I32, count);
    for (int i = 0; i < count; i++) {
      tensor.set(i, random.nextInt(limit));
    }
    return tensor;
  }

  /** I32 0, 1, ... count - 1. */
  Tensor counting(int count) {
    Tensor tensor = arena.allocate(DType.I32, count);
    for (int i = 0; i < count; i++) {
      tensor.set(i, i);
    }
    return tensor;
  }

  /** Filled with NaN (float types). */
  Tensor empty(DType type, long... shape) {
    if (strided && shape.length == 2) {
      Tensor wider = arena.allocate(type, shape[0], shape[1] + 2 * MARGIN).fill(Double.NaN);
      margins.add(wider.columns(0, MARGIN));
      margins.add(wider.columns(MARGIN + shape[1], MARGIN));
      return wider.columns(MARGIN, shape[1]);
    }
    return arena.allocate(type, shape).fill(Double.NaN);
  }

  /** The same values in a new tensor of another type. */
  Tensor copy(Tensor source, DType type) {
    return empty(type, source.shape()).copyFrom(source);
  }

  /**
   * The same values in a new contiguous tensor: tables, parameters and their gradients are such.
   */
  Tensor contiguous(Tensor source, DType type) {
    return arena.allocate(type, source.shape()).copyFrom(source);
  }

  /** The same numbers in float64; I32 tensors are left as they are. */
  Tensor[] exact(Tensor... sources) {
    Tensor[] copies = new Tensor[sources.length];
    for (int i = 0; i < sources.length; i++) {
      boolean keep = sources[i] == null || sources[i].type() == DType.I32;
      copies[i] = keep ? sources[i] : copy(sources[i], DType.F64);
    }
    return copies;
  }

  /** All elements, row by row. */
  static double[] array(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  /** Nothing may have been written beside a column range. */
  @Override
  public void close() {
    for (Tensor margin : margins) {
      boolean untouched = true;
      for (long row = 0; row < margin.rows(); row++) {
        for (long col = 0; col < MARGIN; col++) {
          untouched &= Double.isNaN(margin.get(row, col));
        }
      }
      assertTrue(untouched, "written beside a column range");
    }
    arena.close();
  }
}
