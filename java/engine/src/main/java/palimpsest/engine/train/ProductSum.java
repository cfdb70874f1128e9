package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
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
 * return what each example has added has an L2 norm of at most {@code 2^gridBits} grid steps, and
 * what it has added to a group of parameters one of at most {@link #groupBound}, whatever its float
 * norms were said to be ({@code docs/privacy.md}, "Verified clipping").
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

  /** The group of each part. */
  private final int[] groups;

  /** Additions that have begun and not come to their end. */
  private int unverified;

  /**
   * Of gradients that are clipped as a whole.
   *
   * @param layout the parameters: what every example's products must cover
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  ProductSum(WeightLayout layout, double clipNorm, int gridBits, TensorArena arena) {
    this(layout, new Clipping.Flat(), clipNorm, gridBits, arena);
  }

  /**
   * @param layout the parameters: what every example's products must cover
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  ProductSum(
      WeightLayout layout, Clipping clipping, double clipNorm, int gridBits, TensorArena arena) {
    int[] groups =
        clipping instanceof Clipping.PerLayer
            ? ClipGroups.of(layout)
            : new int[layout.partOffsets().size()];
    super(clipping, count(groups), clipNorm, gridBits);
    this.groups = groups;
    offsets = layout.partOffsets();
    sums = arena.allocate(DType.I32, layout.size());
    locks = new Object[offsets.size()];
    for (int i = 0; i < locks.length; i++) {
      locks[i] = new Object();
    }
  }

  private static int count(int[] groups) {
    return 1 + Arrays.stream(groups).max().orElseThrow();
  }

  /** How many groups of parameters are clipped each by itself. */
  int groups() {
    return count(groups);
  }

  /**
   * The group of a part.
   *
   * @param offset of the part's first parameter
   */
  int group(long offset) {
    return groups[offsets.indexOf(offset)];
  }

  /**
   * Clips some examples and adds them. A group of an example's parameters whose norm cannot be
   * known adds nothing; its others, each within its own bound, enter.
   *
   * @param products together all trained parameters, in the order of the offsets: a part that went
   *     another way would not be clipped
   * @param normsSquared of each example's gradient, in floating point, one group of parameters
   *     after the other: [groups, examples]
   * @param examples with room for as many; overwritten
   * @throws IllegalStateException if the products are not the parameters; nothing has entered then
   */
  void add(List<GradientProduct> products, double[] normsSquared, ClippedExamples examples) {
    requireAll(products);
    int count = normsSquared.length / groups();
    if (count * groups() != normsSquared.length) {
      throw new IllegalArgumentException(
          normsSquared.length + " norms of examples with " + groups() + " groups each");
    }
    examples.begin(count, gridBits());
    begin();
    for (int group = 0; group < groups(); group++) {
      addGroup(
          group,
          products,
          Arrays.copyOfRange(normsSquared, group * count, (group + 1) * count),
          examples);
    }
    for (int e = 0; e < count; e++) {
      double whole = 0;
      for (int at = e; at < normsSquared.length; at += count) {
        whole += normsSquared[at];
      }
      countNorm(whole);
    }
    end();
  }

  private void addGroup(
      int group, List<GradientProduct> products, double[] normsSquared, ClippedExamples examples) {
    double[] factors = new double[normsSquared.length];
    for (int e = 0; e < factors.length; e++) {
      factors[e] = factor(normsSquared[e]);
      examples.set(e, factors[e], ClippedExamples.WHOLE);
    }
    enter(group, products, examples);
    long[] shares = new long[factors.length];
    boolean all = true;
    for (int e = 0; e < factors.length; e++) {
      shares[e] = share(examples, e);
      all &= shares[e] == ClippedExamples.WHOLE;
    }
    if (!all) {
      repair(group, products, factors, shares, examples);
    }
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
    if (total <= (long) groupBound() * groupBound()) {
      return ClippedExamples.WHOLE;
    }
    if (total <= ClippedExamples.MAX_TOTAL) {
      countRepaired(1);
      return Clip.share(total, groupBound());
    }
    countDropped(1);
    return 0;
  }

  /** Takes out what may not stay whole, and puts in the share that may. */
  private void repair(
      int group,
      List<GradientProduct> products,
      double[] factors,
      long[] shares,
      ClippedExamples examples) {
    for (boolean out : new boolean[] {true, false}) {
      for (int e = 0; e < factors.length; e++) {
        boolean concerned = shares[e] != ClippedExamples.WHOLE;
        examples.set(e, factors[e], !concerned ? 0 : out ? -ClippedExamples.WHOLE : shares[e]);
      }
      enter(group, products, examples);
    }
  }

  /** Lets the parts of a group enter. */
  private void enter(int group, List<GradientProduct> products, ClippedExamples examples) {
    for (int i = 0; i < locks.length; i++) {
      if (groups[i] == group) {
        GradientProduct product = products.get(i);
        Tensor part = product.of(sums);
        synchronized (locks[i]) {
          product.accumulate().into(examples, part);
        }
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
