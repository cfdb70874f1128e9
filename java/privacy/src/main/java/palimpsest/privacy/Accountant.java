package palimpsest.privacy;

import java.util.List;
import java.util.Objects;

/**
 * The privacy cost of a list of events on the same data under one neighbouring relation. Immutable,
 * thread-safe.
 */
public final class Accountant {
  private final PrivacyLoss loss;
  private final RenyiAccountant renyi;

  private Accountant(NeighbouringRelation relation, List<PrivacyEvent> events) {
    Objects.requireNonNull(relation, "relation");
    loss = PrivacyLoss.of(relation, events);
    renyi = RenyiAccountant.of(relation, events);
  }

  /**
   * The account of {@code events}, in any order; no events cost nothing.
   *
   * @throws IllegalArgumentException if a training event was run under another relation or an event
   *     has no accounting under this one
   */
  public static Accountant of(NeighbouringRelation relation, List<PrivacyEvent> events) {
    return new Accountant(relation, List.copyOf(events));
  }

  /** The account of one whole training run. */
  public static Accountant of(MechanismSpec spec) {
    return new Accountant(spec.relation(), List.of(new PrivacyEvent.PoissonGaussian(spec)));
  }

  /** Epsilon at {@code delta} in (0, 1), in the worse direction of adjacency. */
  public EpsilonBracket epsilon(double delta) {
    PrivacyLoss.Interval bounds = loss.epsilon(delta);
    return new EpsilonBracket(bounds.lower(), bounds.upper(), renyi.epsilon(delta));
  }

  /** A guaranteed upper bound of delta at finite {@code epsilon >= 0}. */
  public double delta(double epsilon) {
    return loss.delta(epsilon).upper();
  }
}
