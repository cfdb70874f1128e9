package palimpsest.privacy;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The privacy loss of a list of events, bounded from both sides by discrete privacy-loss
 * distributions in both directions of adjacency (connect the dots from above, merged cells from
 * below) on a grid that is refined until the bounds are close. Immutable, thread-safe.
 */
public final class PrivacyLoss {
  /** Relative width of the interval that {@link #epsilon(double)} aims at. */
  public static final double DEFAULT_ACCURACY = 1e-4;

  /** Relative margin for the rounding of closed forms and of losses at cell borders. */
  private static final double ROUNDING = 1e-10;

  /** The smallest delta that has an epsilon here: tails beyond it leave the range of a double. */
  static final double MIN_DELTA = 1e-100;

  private static final int ROUNDS = 5;

  /** Grids to try, each of a larger step, where the sum outgrows the transform on the first. */
  private static final int COARSER = 4;

  private static final double MOST_CELLS = 1 << 21;

  /** A lower and an upper bound of one quantity. */
  public record Interval(double lower, double upper) {
    /** Refuses what is no number: comparisons would take it for whatever suits them. */
    public Interval {
      if (Double.isNaN(lower) || Double.isNaN(upper)) {
        throw new IllegalStateException("accounting: a bound is not a number");
      }
    }

    private Interval and(Interval other) {
      return new Interval(Math.max(lower, other.lower), Math.min(upper, other.upper));
    }
  }

  private record Term(StepLoss loss, long count) {}

  private final List<Term> terms;
  private final boolean unbounded;
  private final double gaussianMu;

  private PrivacyLoss(List<Term> terms, boolean unbounded, double gaussianMu) {
    this.terms = terms;
    this.unbounded = unbounded;
    this.gaussianMu = gaussianMu;
  }

  /**
   * The loss of {@code events} under {@code relation}.
   *
   * @throws IllegalArgumentException if an event has no accounting under that relation
   */
  public static PrivacyLoss of(NeighbouringRelation relation, List<PrivacyEvent> events) {
    Objects.requireNonNull(relation, "relation");
    Map<StepLoss, Long> counts = new LinkedHashMap<>();
    boolean unbounded = false;
    double precision = 0;
    for (PrivacyEvent event : events) {
      double sigma = EventLosses.gaussianNoise(relation, event);
      if (EventLosses.isNonPrivate(event)) {
        unbounded = true;
      } else if (sigma > 0) {
        precision = Math.nextUp(precision + Math.nextUp(event.count() / (sigma * sigma)));
      } else {
        counts.merge(EventLosses.stepLoss(relation, event), event.count(), Math::addExact);
      }
    }
    // Gaussians compose to one Gaussian exactly.
    double mu = Math.nextUp(Math.sqrt(precision));
    List<Term> terms = new ArrayList<>();
    counts.forEach((loss, count) -> terms.add(new Term(loss, count)));
    if (precision > 0 && !terms.isEmpty()) {
      terms.add(new Term(new StepLoss.Continuous(new SubsampledGaussian(1, 1 / mu)), 1));
    }
    return new PrivacyLoss(List.copyOf(terms), unbounded, precision > 0 ? mu : 0);
  }

  /**
   * Bounds of the smallest epsilon at {@code delta} in [1e-100, 1), about {@link #DEFAULT_ACCURACY}
   * apart.
   */
  public Interval epsilon(double delta) {
    return epsilon(delta, DEFAULT_ACCURACY);
  }

  /**
   * Bounds of the smallest epsilon at {@code delta}. The upper one is infinite when no finite
   * epsilon can be guaranteed.
   *
   * @param accuracy relative width to aim at; not reached where the grid would outgrow memory
   */
  public Interval epsilon(double delta, double accuracy) {
    if (!(delta >= MIN_DELTA && delta < 1)) {
      throw new IllegalArgumentException(
          "epsilon: delta is " + delta + ", must be at least " + MIN_DELTA + " and below 1");
    }
    if (unbounded) {
      return new Interval(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);
    }
    if (terms.isEmpty()) {
      double exact = gaussianMu == 0 ? 0 : AnalyticGaussian.epsilon(gaussianMu, delta);
      return new Interval(exact * (1 - ROUNDING), exact * (1 + ROUNDING));
    }
    return refine(accuracy, tailQuantile(delta), epsilonAt(delta), _ -> false);
  }

  /**
   * The upper bound of {@link #epsilon(double)}, or one that is higher but already settles on which
   * side of {@code target} it lies: cheaper in a search. It is at most {@code target} exactly when
   * the full answer is.
   */
  double epsilonAgainst(double delta, double target) {
    if (unbounded || terms.isEmpty()) {
      return epsilon(delta).upper();
    }
    Predicate<Interval> settled = known -> known.upper() <= target || known.lower() > target;
    return refine(DEFAULT_ACCURACY, tailQuantile(delta), epsilonAt(delta), settled).upper();
  }

  /**
   * Bounds of the smallest delta at {@code epsilon >= 0}, about {@link #DEFAULT_ACCURACY} apart.
   */
  public Interval delta(double epsilon) {
    return delta(epsilon, DEFAULT_ACCURACY);
  }

  /** Bounds of the smallest delta at {@code epsilon >= 0}; see {@link #epsilon(double, double)}. */
  public Interval delta(double epsilon, double accuracy) {
    if (!(epsilon >= 0 && epsilon < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "delta: epsilon is " + epsilon + ", must be finite and at least 0");
    }
    if (unbounded) {
      return new Interval(1, 1);
    }
    if (terms.isEmpty()) {
      double exact = gaussianMu == 0 ? 0 : AnalyticGaussian.delta(gaussianMu, epsilon);
      return new Interval(exact * (1 - ROUNDING), Math.min(1, exact * (1 + ROUNDING)));
    }
    return refine(accuracy, 14, deltaAt(epsilon), _ -> false);
  }

  /** The normal quantile beyond which all events together have a negligible part of delta. */
  private double tailQuantile(double delta) {
    return -SpecialFunctions.quantileOfLog(Math.log(delta) - Math.log(1e10 * totalCount()));
  }

  private double totalCount() {
    return terms.stream().mapToDouble(Term::count).sum();
  }

  /** A twentieth of the root-mean-square deviation of one event. */
  private double startingStep() {
    return Math.sqrt(totalVariance() / totalCount()) / 20;
  }

  private double totalVariance() {
    double sum = 0;
    for (Term term : terms) {
      double deviation = term.loss().deviation();
      sum += term.count() * deviation * deviation;
    }
    return sum;
  }

  private double finestStep(double z) {
    double range = terms.stream().mapToDouble(term -> term.loss().range(z)).max().orElseThrow();
    return Math.max(range, 20 * Math.sqrt(totalVariance())) / MOST_CELLS;
  }

  private interface Bounds {
    Interval on(Grid grid, boolean add);
  }

  /** A quantity of one direction, and what is true of it in any case. */
  private record Question(Bounds bounds, Interval unknown) {}

  private static Question epsilonAt(double delta) {
    Interval unknown = new Interval(0, Double.POSITIVE_INFINITY);
    return new Question((grid, add) -> grid.epsilon(delta, add), unknown);
  }

  private static Question deltaAt(double epsilon) {
    return new Question((grid, add) -> grid.delta(epsilon, add), new Interval(0, 1));
  }

  /**
   * Asks on finer and finer grids; the error of both bounds falls with the square of the step. A
   * direction that can no longer be the worse one is not asked again. Losses so rare and so large
   * that their sum outgrows the transform on the first grid are asked on coarser ones alone.
   */
  private Interval refine(
      double accuracy, double z, Question question, Predicate<Interval> settled) {
    double finest = finestStep(z);
    double step = Math.max(finest, startingStep());
    Grid grid = new Grid(step, z);
    Optional<Interval> removed = ask(question, grid, false);
    Optional<Interval> added = symmetric() ? removed : ask(question, grid, true);
    for (int i = 0; i < COARSER && (removed.isEmpty() || added.isEmpty()); i++) {
      step *= 8;
      finest = step;
      grid = new Grid(step, z);
      removed = ask(question, grid, false);
      added = symmetric() ? removed : ask(question, grid, true);
    }
    Interval remove = removed.orElse(question.unknown());
    Interval add = added.orElse(question.unknown());
    Interval best = worse(remove, add);
    double width = exact() ? best.upper() - best.lower() : Double.POSITIVE_INFINITY;
    for (int round = 1; round < ROUNDS && step > finest; round++) {
      boolean close = !(width > accuracy * best.upper()) || Double.isInfinite(best.upper());
      if (close || settled.test(best)) {
        break;
      }
      boolean measured = width < Double.POSITIVE_INFINITY;
      double factor = measured ? Math.sqrt(0.6 * accuracy * best.upper() / width) : 0.5;
      double next = Math.max(finest, step * Math.max(1.0 / 32, Math.min(0.5, factor)));
      grid = new Grid(next, z);
      boolean askRemove = symmetric() || remove.upper() > add.lower();
      boolean askAdd = !symmetric() && add.upper() > remove.lower();
      remove = askRemove ? and(remove, ask(question, grid, false)) : remove;
      add = symmetric() ? remove : askAdd ? and(add, ask(question, grid, true)) : add;
      double gained = best.upper();
      best = worse(remove, add);
      gained -= best.upper();
      double ratio = next / step;
      width = exact() ? best.upper() - best.lower() : gained * ratio * ratio / (1 - ratio * ratio);
      step = next;
    }
    return best;
  }

  /** What {@code grid} says; nothing if it is too fine. */
  private static Optional<Interval> ask(Question question, Grid grid, boolean add) {
    try {
      return Optional.of(question.unknown().and(question.bounds().on(grid, add)));
    } catch (Composition.GridTooLarge tooLarge) {
      return Optional.empty();
    }
  }

  private static Interval and(Interval known, Optional<Interval> more) {
    return more.map(known::and).orElse(known);
  }

  private static Interval worse(Interval a, Interval b) {
    return new Interval(Math.max(a.lower(), b.lower()), Math.max(a.upper(), b.upper()));
  }

  private boolean exact() {
    return terms.stream().allMatch(term -> term.loss().exact());
  }

  private boolean symmetric() {
    return terms.stream().allMatch(term -> term.loss().symmetric());
  }

  /** All terms on one grid. */
  private final class Grid {
    private final List<StepLoss.Bounds> bounds;

    Grid(double step, double z) {
      bounds = terms.stream().map(term -> term.loss().discretise(step, z)).toList();
    }

    Interval epsilon(double delta, boolean add) {
      List<Composition.Part> known = parts(false, add);
      double lower = known.isEmpty() ? 0 : new Composition(known).epsilonBelow(delta);
      double upper = new Composition(parts(true, add)).epsilonAbove(delta) * (1 + ROUNDING);
      return new Interval(Math.min(upper, lower * (1 - ROUNDING)), upper);
    }

    Interval delta(double epsilon, boolean add) {
      List<Composition.Part> known = parts(false, add);
      double least = epsilon * (1 + ROUNDING);
      double lower = known.isEmpty() ? 0 : new Composition(known).deltaBelow(least);
      double upper = new Composition(parts(true, add)).deltaAbove(epsilon * (1 - ROUNDING));
      return new Interval(Math.min(lower, upper), upper);
    }

    /** From below, events without a lower bound count as free. */
    private List<Composition.Part> parts(boolean upper, boolean add) {
      List<Composition.Part> parts = new ArrayList<>();
      for (int i = 0; i < terms.size(); i++) {
        if (upper || terms.get(i).loss().exact()) {
          LossPmf pmf = upper ? bounds.get(i).upper(add) : bounds.get(i).lower(add);
          parts.add(new Composition.Part(pmf, terms.get(i).count()));
        }
      }
      return parts;
    }
  }
}
