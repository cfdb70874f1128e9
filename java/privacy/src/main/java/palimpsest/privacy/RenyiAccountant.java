package palimpsest.privacy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import palimpsest.privacy.PrivacyEvent.ApproximateDp;

/**
 * Renyi differential privacy (Mironov 2017; Mironov, Talwar and Zhang 2019): an upper bound of
 * epsilon that shares no grid and no transform with {@link PrivacyLoss}, so that each checks the
 * other. Looser, sometimes by a factor of several.
 */
public final class RenyiAccountant {
  /**
   * Orders: tenths to 10.9, integers to 63, then by 8 to 512, where small losses have their best
   * order, and 1024.
   */
  private static final double[] ORDERS = defaultOrders();

  private final double[] orders;
  private final double[] divergence;
  private final double delta;

  /**
   * The account whose divergence at {@code orders[i]} is {@code divergence[i]}, save an event of
   * mass {@code delta}.
   */
  RenyiAccountant(double[] orders, double[] divergence, double delta) {
    this.orders = orders;
    this.divergence = divergence;
    this.delta = delta;
  }

  /**
   * The account of {@code events} at the default orders.
   *
   * @throws IllegalArgumentException if an event has no accounting under {@code relation}
   */
  public static RenyiAccountant of(NeighbouringRelation relation, List<PrivacyEvent> events) {
    return of(relation, events, ORDERS);
  }

  /** The account at the given orders, each above 1. */
  static RenyiAccountant of(
      NeighbouringRelation relation, List<PrivacyEvent> events, double[] orders) {
    double[] sum = new double[orders.length];
    double logKept = 0;
    for (PrivacyEvent event : events) {
      double[] one = divergences(relation, event, orders);
      for (int i = 0; i < sum.length; i++) {
        sum[i] += event.count() * one[i];
      }
      if (event instanceof ApproximateDp approximate) {
        logKept += event.count() * Math.log1p(-approximate.delta());
      }
    }
    return new RenyiAccountant(orders.clone(), sum, -Math.expm1(logKept));
  }

  /**
   * An upper bound of the smallest epsilon at {@code delta} in (0, 1) (Canonne, Kamath and Steinke
   * 2020, Prop. 12); infinite when none is known.
   */
  public double epsilon(double delta) {
    if (!(delta > 0 && delta < 1)) {
      throw new IllegalArgumentException("epsilon: delta is " + delta + ", must be inside (0, 1)");
    }
    double left = delta - this.delta;
    if (!(left > 0)) {
      return Double.POSITIVE_INFINITY;
    }
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < orders.length; i++) {
      double a = orders[i];
      double bound = divergence[i] + Math.log1p(-1 / a) - (Math.log(left) + Math.log(a)) / (a - 1);
      // The total variation is at most sqrt(1 - e^-R) (Bretagnolle and Huber 1978): epsilon 0 may
      // do.
      boolean free = Math.sqrt(-Math.expm1(-divergence[i])) <= left;
      best = Math.min(best, free ? 0 : Math.max(0, bound));
    }
    return best;
  }

  /** The orders. */
  double[] orders() {
    return orders.clone();
  }

  /** The divergence at each order, infinite loss left out. */
  double[] divergences() {
    return divergence.clone();
  }

  /** Probability of infinite loss, which the divergences leave out. */
  double infiniteLoss() {
    return delta;
  }

  /** An upper bound of delta at {@code epsilon >= 0}. */
  public double delta(double epsilon) {
    if (!(epsilon >= 0 && epsilon < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "delta: epsilon is " + epsilon + ", must be finite and at least 0");
    }
    double best = 1;
    for (int i = 0; i < orders.length; i++) {
      double a = orders[i];
      double bound = Math.exp((a - 1) * (divergence[i] - epsilon + Math.log1p(-1 / a))) / a;
      best = Math.min(best, Math.min(bound, Math.sqrt(-Math.expm1(-divergence[i]))));
    }
    return Math.min(1, best + delta);
  }

  /** Divergence of one run of {@code event} at each order: the larger of both directions. */
  private static double[] divergences(
      NeighbouringRelation relation, PrivacyEvent event, double[] orders) {
    double[] out = new double[orders.length];
    double sigma = EventLosses.gaussianNoise(relation, event);
    if (EventLosses.isNonPrivate(event)) {
      Arrays.fill(out, Double.POSITIVE_INFINITY);
    } else if (sigma > 0) {
      for (int i = 0; i < out.length; i++) {
        out[i] = orders[i] / (2 * sigma * sigma);
      }
    } else {
      double[] moments = logMoments(EventLosses.stepLoss(relation, event), orders);
      for (int i = 0; i < out.length; i++) {
        out[i] = Math.max(0, moments[i] / (orders[i] - 1));
      }
    }
    return out;
  }

  private static double[] logMoments(StepLoss loss, double[] orders) {
    return switch (loss) {
      case StepLoss.Continuous(LossPair pair) -> RenyiMoments.of(pair, orders);
      case StepLoss.TwoPoint(double epsilon, double _, boolean _) ->
          Arrays.stream(orders).map(order -> RenyiMoments.ofTwoPoint(epsilon, order)).toArray();
      case StepLoss.Truncated(
              StepLoss.Continuous free,
              StepLoss.Continuous bound,
              double weight) -> {
        // E_Q[(P/Q)^a] is jointly convex in (P, Q).
        double[] moments = RenyiMoments.of(free.pair(), orders);
        double[] others = RenyiMoments.of(bound.pair(), orders);
        for (int i = 0; i < moments.length; i++) {
          moments[i] =
              RenyiMoments.logAdd(Math.log1p(-weight) + moments[i], Math.log(weight) + others[i]);
        }
        yield moments;
      }
    };
  }

  private static double[] defaultOrders() {
    List<Double> all = new ArrayList<>();
    for (int i = 11; i < 110; i++) {
      all.add(i / 10.0);
    }
    for (int a = 11; a < 64; a++) {
      all.add((double) a);
    }
    for (int a = 64; a <= 512; a += 8) {
      all.add((double) a);
    }
    all.add(1024.0);
    return all.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
