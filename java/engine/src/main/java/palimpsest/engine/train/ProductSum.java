package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * As {@link ClippedSum} for gradients that are too large to be held: verified clipping of products
 * that make an example's gradient tile by tile. An example enters, and only then is the exact norm
 * of what entered known; one over the bound is taken out again, which is exact, and enters shrunk.
 * So on return what each example has added has an L2 norm of at most {@code 2^gridBits} grid steps,
 * whatever its float norm was said to be ({@code docs/privacy.md}, "Verified clipping").
 *
 * <p>One sum serves all workers: integers add in any order to the same bits, and each part of the
 * parameters is one worker's at a time. While an example is in and not yet verified, and for good
 * after a failure meanwhile, the sum cannot be read.
 *
 * <p>Sums are modulo 2^32. That takes nothing from the guarantee if what is made of them is modulo
 * 2^32 too: noise is added to the integers and the result taken as 32 bits, so that it is a
 * function of the noisy sum that never wrapped. Read before that they have no bounded sensitivity.
 */
public final class ProductSum {
  private final double clipNorm;
  private final int gridBits;
  private final Tensor sums;
  private final Object[] locks;
  private final List<Long> offsets;
  private long repaired;
  private long dropped;

  /** Additions that have begun and not come to their end. */
  private int unverified;

  /**
   * @param offsets where the parts of the parameters begin, ascending from 0: what every example's
   *     products must cover
   * @param size P, the number of trained parameters
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  ProductSum(List<Long> offsets, long size, double clipNorm, int gridBits, TensorArena arena) {
    ClippedSum.requireGrid(clipNorm, gridBits);
    this.offsets = List.copyOf(offsets);
    this.clipNorm = clipNorm;
    this.gridBits = gridBits;
    sums = arena.allocate(DType.I32, size);
    locks = new Object[offsets.size()];
    for (int i = 0; i < locks.length; i++) {
      locks[i] = new Object();
    }
  }

  /**
   * Clips the examples of a group and adds them.
   *
   * @param products together all trained parameters, in the order of the offsets: a part that went
   *     another way would not be clipped
   * @param normsSquared of each example's whole gradient, in floating point
   * @param examples begun with as many; overwritten
   * @throws IllegalStateException if the products are not the parameters; nothing has entered then
   */
  void add(List<GradientProduct> products, double[] normsSquared, ClippedExamples examples) {
    requireAll(products);
    double[] factors = new double[examples.count()];
    for (int e = 0; e < factors.length; e++) {
      factors[e] = ClippedSum.factor(normsSquared[e], clipNorm, gridBits);
      examples.set(e, factors[e], ClippedExamples.WHOLE);
    }
    begin();
    enter(products, examples);
    long[] shares = new long[factors.length];
    boolean all = true;
    for (int e = 0; e < factors.length; e++) {
      shares[e] = share(examples, e);
      all &= shares[e] == ClippedExamples.WHOLE;
    }
    if (!all) {
      repair(products, factors, shares, examples);
    }
    end();
  }

  private synchronized void begin() {
    unverified++;
  }

  /** Not reached by an addition that fails: what it left is unknown. */
  private synchronized void end() {
    unverified--;
  }

  /** What of an example may stay: all, a share, or nothing of one whose norm is not known. */
  private long share(ClippedExamples examples, int example) {
    if (!examples.enters(example)) {
      count(false);
      return ClippedExamples.WHOLE;
    }
    long total = examples.total(example);
    if (total <= 1L << 2 * gridBits) {
      return ClippedExamples.WHOLE;
    }
    boolean known = total <= ClippedExamples.MAX_TOTAL;
    count(known);
    return known ? Clip.share(total, gridBits) : 0;
  }

  private synchronized void count(boolean repair) {
    if (repair) {
      repaired++;
    } else {
      dropped++;
    }
  }

  /** Takes out what may not stay whole, and puts in the share that may. */
  private void repair(
      List<GradientProduct> products, double[] factors, long[] shares, ClippedExamples examples) {
    for (boolean out : new boolean[] {true, false}) {
      for (int e = 0; e < factors.length; e++) {
        boolean concerned = shares[e] != ClippedExamples.WHOLE;
        examples.set(e, factors[e], !concerned ? 0 : out ? -ClippedExamples.WHOLE : shares[e]);
      }
      enter(products, examples);
    }
  }

  private void enter(List<GradientProduct> products, ClippedExamples examples) {
    for (int i = 0; i < locks.length; i++) {
      GradientProduct product = products.get(i);
      int bytes = DType.I32.bytes();
      Tensor part =
          Tensor.of(
              sums.data().asSlice(product.offset() * bytes, product.size() * bytes),
              DType.I32,
              product.rows(),
              product.cols());
      synchronized (locks[i]) {
        product.accumulate().into(examples, part);
      }
    }
  }

  private void requireAll(List<GradientProduct> products) {
    long end = 0;
    List<Long> given = new ArrayList<>();
    for (GradientProduct product : products) {
      if (product != null && product.offset() == end) {
        given.add(end);
        end += product.size();
      }
    }
    if (!given.equals(offsets) || products.size() != offsets.size() || end != sums.size()) {
      throw new IllegalStateException("the products are not the trained parameters");
    }
  }

  /** Back to zero, also after a failure. */
  public synchronized void clear() {
    unverified = 0;
    sums.data().fill((byte) 0);
    repaired = 0;
    dropped = 0;
  }

  /**
   * The integers modulo 2^32, I32 [P]. They are private until noise is added to them.
   *
   * @throws IllegalStateException if an example is in that was not verified
   */
  public synchronized Tensor sums() {
    if (unverified != 0) {
      throw new IllegalStateException("the sum holds what was not verified; clear it");
    }
    return sums;
  }

  /**
   * L2 sensitivity to adding or removing one example, in grid steps, of the sums before they are
   * taken modulo 2^32.
   */
  public double sensitivity() {
    return 1L << gridBits;
  }

  /** One grid step, in units of the gradient. */
  public double gridStep() {
    return clipNorm / (1L << gridBits);
  }

  /** How many examples entered shrunk. Private: for tests only. */
  synchronized long repaired() {
    return repaired;
  }

  /** How many examples contributed nothing. Private: for tests only. */
  synchronized long dropped() {
    return dropped;
  }
}
