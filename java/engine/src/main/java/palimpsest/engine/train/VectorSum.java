package palimpsest.engine.train;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.List;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A clipped sum of gradients that are held: an example's integers are made, their exact norm is
 * taken, and only then do they enter. Each worker has one of its own.
 */
public final class VectorSum extends ClippedSum {
  private final Kernels kernels;
  private final List<ClipGroups.Stretch> groups;
  private final Tensor sums;

  /**
   * Of gradients that are clipped as a whole.
   *
   * @param size P, the number of trained parameters
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  public VectorSum(Kernels kernels, long size, double clipNorm, int gridBits, TensorArena arena) {
    this(kernels, new Clipping.Flat(), ClipGroups.one(size), clipNorm, gridBits, arena);
  }

  /**
   * @param groups together all trained parameters, each once
   * @param clipNorm C, in units of the gradient
   * @param gridBits C is 2^gridBits grid steps
   * @param arena holds the sum
   */
  VectorSum(
      Kernels kernels,
      Clipping clipping,
      List<ClipGroups.Stretch> groups,
      double clipNorm,
      int gridBits,
      TensorArena arena) {
    super(clipping, groups.size(), clipNorm, gridBits);
    this.kernels = kernels;
    this.groups = List.copyOf(groups);
    sums = arena.allocate(DType.I64, end(groups));
  }

  /** Where the last of groups ends that lie one after the other. */
  private static long end(List<ClipGroups.Stretch> groups) {
    long end = 0;
    for (ClipGroups.Stretch group : groups) {
      if (group.offset() != end) {
        throw new IllegalArgumentException("a parameter is in no group, or in two");
      }
      end += group.size();
    }
    return end;
  }

  /** A sum that takes whole vectors. */
  public static VectorSum of(ClippedSum sum) {
    if (sum instanceof VectorSum vectors) {
      return vectors;
    }
    throw new IllegalArgumentException("this sum takes products, not vectors");
  }

  /**
   * Clips one example's gradient and adds it. A group whose norm cannot be known adds nothing; the
   * others, each within its own bound, enter.
   *
   * @param gradient wide [P], all trained parameters of the example; overwritten
   */
  public void add(Tensor gradient) {
    if (gradient.size() != sums.size()) {
      throw new IllegalArgumentException(
          "a gradient of %d numbers for %d parameters".formatted(gradient.size(), sums.size()));
    }
    double normSquared = 0;
    for (ClipGroups.Stretch group : groups) {
      normSquared +=
          add(gradient.part(group.offset(), group.size()), sums.part(group.offset(), group.size()));
    }
    countNorm(normSquared);
  }

  /** Adds a group of an example's gradient; returns its squared float norm. */
  private double add(Tensor gradient, Tensor sums) {
    double normSquared = kernels.clip().exampleNorm(gradient);
    double factor = factor(normSquared);
    switch (kernels.clip().accumulate(gradient, factor, groupBound(), sums)) {
      case Clip.Outcome.ACCEPTED -> {}
      case Clip.Outcome.REPAIRED -> countRepaired(1);
      case Clip.Outcome.DROPPED -> countDropped(1);
    }
    return normSquared;
  }

  @Override
  VectorSum forWorker(TensorArena arena) {
    return new VectorSum(kernels, clipping(), groups, clipNorm(), gridBits(), arena);
  }

  @Override
  void merge(ClippedSum worker) {
    VectorSum other = of(worker);
    if (!other.groups.equals(groups)
        || other.clipNorm() != clipNorm()
        || other.gridBits() != gridBits()) {
      throw new IllegalArgumentException(
          "these sums do not have the same parameters, clip norm and grid");
    }
    MemorySegment mine = sums.data();
    MemorySegment theirs = other.sums.data();
    for (long at = 0; at < sums.size() * Long.BYTES; at += Long.BYTES) {
      mine.set(JAVA_LONG, at, mine.get(JAVA_LONG, at) + theirs.get(JAVA_LONG, at));
    }
    mergeCounts(other);
  }

  @Override
  Tensor sumsInMemory() {
    return sums;
  }
}
