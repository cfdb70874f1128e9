package palimpsest.privacy;

import java.util.List;
import java.util.Objects;

/**
 * The privacy cost of a list of events on the same data under one neighbouring relation. Immutable,
 * thread-safe.
 */
public final class Accountant {
  private final NeighbouringRelation relation;
  private final List<PrivacyEvent> events;

  private Accountant(NeighbouringRelation relation, List<PrivacyEvent> events) {
    this.relation = Objects.requireNonNull(relation, "relation");
    this.events = List.copyOf(events);
  }

  /**
   * The account of {@code events}, in any order. Throws if a training event was run under another
   * relation.
   */
  public static Accountant of(NeighbouringRelation relation, List<PrivacyEvent> events) {
    return new Accountant(relation, events);
  }

  /** The account of one whole training run. */
  public static Accountant of(MechanismSpec spec) {
    return new Accountant(spec.relation(), List.of(new PrivacyEvent.PoissonGaussian(spec)));
  }

  /** Epsilon at {@code delta} in (0, 1). */
  public EpsilonBracket epsilon(double delta) {
    throw new UnsupportedOperationException(
        "epsilon of " + events.size() + " events under " + relation);
  }

  /** A guaranteed upper bound of delta at {@code epsilon >= 0}. */
  public double delta(double epsilon) {
    throw new UnsupportedOperationException(
        "delta of " + events.size() + " events under " + relation);
  }
}
