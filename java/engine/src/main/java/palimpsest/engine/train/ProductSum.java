package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.ClippedExamples;
import palimpsest.engine.model.WeightLayout;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A clipped sum of gradients that are too large to be held: verified clipping of products that make
 * an example's gradient tile by tile. An example enters, and only then is the exact norm of what
 * entered known; one over the bound is taken out again, which is exact, and enters shrunk. So on
 * return what each example has added has an L2 norm of at most {@code 2^gridBits} grid steps,
 * whatever its float norm was said to be ({@code docs/privacy.md}, "Verified clipping").
 *
 * <p>One sum serves all workers: each part of the parameters is one worker's at a time. While an
 * example is in and not yet verified, and for good after a failure meanwhile, the sum cannot be
 * read.
 *
 * <p>Sums are modulo 2^32. That takes nothing from the guarantee if what is made of them is modulo
 * 2^32 too: noise is added to the integers modulo 2^32, so that the result is a function of the
 * noisy sum that never wrapped. Read before that they have no bounded sensitivity.
 */
final class ProductSum extends ClippedSum {
  private final Tensor sums;
  private final Object[] locks;
  private final List<Long> offsets;

  /** Additions that have begun and not come to their end. */
  private int unverified;

  /**
   * @param layout the parameters: what every example's products must cover
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  ProductSum(WeightLayout layout, double clipNorm, int gridBits, TensorArena arena) {
    super(clipNorm, gridBits);
    offsets = layout.partOffsets();
    sums = arena.allocate(DType.I32, layout.size());
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
   * @param examples with room for as many; overwritten
   * @throws IllegalStateException if the products are not the parameters; nothing has entered then
   */
  void add(List<GradientProduct> products, double[] normsSquared, ClippedExamples examples) {
    requireAll(products);
    examples.begin(normsSquared.length, gridBits());
    double[] factors = new double[normsSquared.length];
    for (int e = 0; e < factors.length; e++) {
      factors[e] = factor(normsSquared[e]);
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
      countDropped(1);
      return ClippedExamples.WHOLE;
    }
    long total = examples.total(example);
    if (total <= 1L << 2 * gridBits()) {
      return ClippedExamples.WHOLE;
    }
    if (total <= ClippedExamples.MAX_TOTAL) {
      countRepaired(1);
      return Clip.share(total, gridBits());
    }
    countDropped(1);
    return 0;
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
      Tensor part = product.of(sums);
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

  /** Also after a failure. */
  @Override
  public synchronized void clear() {
    super.clear();
    unverified = 0;
  }

  @Override
  ProductSum forWorker(TensorArena arena) {
    return this;
  }

  @Override
  void merge(ClippedSum worker) {
    if (worker != this) {
      throw new IllegalArgumentException("workers share this sum");
    }
  }

  @Override
  Tensor sumsInMemory() {
    return sums;
  }

  @Override
  public synchronized Tensor sums() {
    if (unverified != 0) {
      throw new IllegalStateException("the sum holds what was not verified; clear it");
    }
    return sums;
  }
}
