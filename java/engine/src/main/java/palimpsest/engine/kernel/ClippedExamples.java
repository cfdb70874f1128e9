package palimpsest.engine.kernel;

import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * How the examples of a group enter a verified sum whose terms are never held as a whole ({@code
 * docs/privacy.md}, "Verified clipping"): what each is multiplied by, which share of its integers
 * enters, and what their squares have added up to so far.
 */
public final class ClippedExamples {
  /** The ratio that lets integers enter as they are; its negative takes them out again. */
  public static final long WHOLE = 1L << 32;

  /** A total above this is not to be trusted. */
  public static final long MAX_TOTAL = 1L << 60;

  private final Tensor factors;
  private final Tensor ratios;
  private final Tensor totals;
  private int count;
  private int bits;

  /**
   * @param maxCount the most examples
   * @param wide type of the factors
   */
  public ClippedExamples(int maxCount, DType wide, TensorArena arena) {
    factors = arena.allocate(wide, maxCount);
    ratios = arena.allocate(DType.I64, maxCount);
    totals = arena.allocate(DType.I64, maxCount);
  }

  /**
   * Begins with so many examples, none of which enters.
   *
   * @param bits C is 2^bits grid steps, in [1, 24]
   */
  public void begin(int examples, int bits) {
    if (bits < 1 || bits > 24) {
      throw new IllegalArgumentException("the grid must have 1 to 24 bits, not " + bits);
    }
    if (examples < 0 || examples > ratios.size()) {
      throw new IllegalArgumentException(
          examples + " examples, there is room for " + ratios.size());
    }
    count = examples;
    this.bits = bits;
    for (int e = 0; e < examples; e++) {
      factors.set(e, 0);
      ratios.setLong(e, 0);
      totals.setLong(e, 0);
    }
  }

  /**
   * How an example enters from here on; its total starts at 0.
   *
   * @param factor grid steps a unit of gradient; one that is negative or not finite keeps the
   *     example out
   * @param ratio in [-2^32, 2^32]: z enters as sign(z ratio) floor(|z ratio| / 2^32)
   */
  public void set(int example, double factor, long ratio) {
    if (ratio < -WHOLE || ratio > WHOLE) {
      throw new IllegalArgumentException("a ratio is within 2^32, not " + ratio);
    }
    // A negative factor that is too small for the type must still keep the example out.
    factors.set(example, factor < 0 ? Double.NaN : factor);
    ratios.setLong(example, ratio);
    totals.setLong(example, 0);
  }

  /** Whether an example's factor lets it enter at all. */
  public boolean enters(int example) {
    double factor = factors.get(example);
    return factor >= 0 && factor < Double.POSITIVE_INFINITY;
  }

  /**
   * Sum of the squares of an example's integers, whatever its ratio; above 2^60, if it ever was.
   */
  public long total(int example) {
    return totals.getLong(example);
  }

  public int count() {
    return count;
  }

  public int bits() {
    return bits;
  }

  /** Wide [count]. */
  public Tensor factors() {
    return factors;
  }

  /** I64 [count]. */
  public Tensor ratios() {
    return ratios;
  }

  /** I64 [count]; kernels add to them. */
  public Tensor totals() {
    return totals;
  }
}
