package palimpsest.privacy;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleUnaryOperator;

/**
 * Settings that meet a target epsilon. Every answer was itself put to the {@link PrivacyLoss} that
 * states the epsilon of a run, with exactly the number that is returned: it is safe, not only
 * close.
 */
public final class Calibration {
  /** Relative width of the interval of noise multipliers at which the search ends. */
  private static final double TOLERANCE = 5e-5;

  /**
   * No noise multiplier below this one is tried: a run with less noise has no guarantee worth
   * stating.
   */
  static final double LEAST_NOISE = 0.05;

  /**
   * Above this a guarantee says nothing (a guess may be right up to 1 - e^-100 of the time), and
   * the search would take long.
   */
  static final double LARGEST_TARGET = 100;

  private static final double MOST_NOISE = 1e9;
  private static final int MOST_ROUNDS = 60;

  private Calibration() {}

  /** The run with the least noise that alone meets the target. */
  public static MechanismSpec calibrate(MechanismSpec unit, double targetEpsilon) {
    return calibrate(unit, List.of(), targetEpsilon);
  }

  /**
   * The run with the least noise, within a relative tolerance of 1e-4, whose guaranteed epsilon at
   * {@code unit.delta()} together with {@code releases} is at most {@code targetEpsilon}.
   *
   * @param unit the run; its noise multiplier does not matter
   * @param releases what else is paid from the same target
   * @param targetEpsilon positive, at most {@value #LARGEST_TARGET}
   * @throws IllegalArgumentException if the target is out of range, the run is non-private, or no
   *     noise reaches the target
   */
  public static MechanismSpec calibrate(
      MechanismSpec unit, List<PrivacyEvent> releases, double targetEpsilon) {
    requireTarget(unit, targetEpsilon);
    requireRoom(unit, releases, targetEpsilon);
    double mu = 1 / AnalyticGaussian.noiseMultiplier(targetEpsilon, unit.delta());
    DoubleUnaryOperator epsilon =
        sigma -> epsilon(unit.withNoiseMultiplier(sigma), releases, targetEpsilon);
    return unit.withNoiseMultiplier(
        leastNoise(epsilon, targetEpsilon, centralLimitNoise(unit, mu)));
  }

  /**
   * The run with the least noise, within a relative tolerance of 1e-4, of which the best of a
   * random number can be released at an epsilon of at most {@code targetEpsilon}.
   *
   * @param unit the costliest run; its noise multiplier does not matter
   * @param targetEpsilon positive, at most {@value #LARGEST_TARGET}
   * @throws IllegalArgumentException if the target is out of range, the run is non-private, or no
   *     noise reaches the target
   */
  public static MechanismSpec calibrate(
      MechanismSpec unit, TuningTrials trials, double targetEpsilon) {
    requireTarget(unit, targetEpsilon);
    double mu = 1 / AnalyticGaussian.noiseMultiplier(targetEpsilon, unit.delta());
    DoubleUnaryOperator epsilon = sigma -> trials.epsilon(unit.withNoiseMultiplier(sigma));
    return unit.withNoiseMultiplier(
        leastNoise(epsilon, targetEpsilon, centralLimitNoise(unit, mu)));
  }

  private static double epsilon(MechanismSpec spec, List<PrivacyEvent> releases, double target) {
    List<PrivacyEvent> events = new ArrayList<>(releases);
    events.add(new PrivacyEvent.PoissonGaussian(spec));
    return PrivacyLoss.of(spec.relation(), events).epsilonAgainst(spec.delta(), target);
  }

  /** No noise of the run can make up for releases that pass the target by themselves. */
  private static void requireRoom(MechanismSpec unit, List<PrivacyEvent> releases, double target) {
    double alone = PrivacyLoss.of(unit.relation(), releases).epsilon(unit.delta()).upper();
    if (!(alone < target)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "calibration: what is released besides the updates costs epsilon %.4g alone, of %.4g"
                  + " in all; give it more noise",
              alone,
              target));
    }
  }

  /**
   * Where the central limit puts the noise: a start for the search, never an answer. There the
   * variance of the loss of all steps, E_Q[(P/Q - 1)^2] each, is that of a Gaussian of shift {@code
   * mu}.
   */
  private static double centralLimitNoise(MechanismSpec unit, double mu) {
    double variance = mu * mu / unit.steps();
    double low = 4 * LEAST_NOISE;
    double high = MOST_NOISE / 4;
    while (high > 1.01 * low) {
      double sigma = Math.sqrt(low * high);
      if (variance(unit, sigma) > variance) {
        low = sigma;
      } else {
        high = sigma;
      }
    }
    return high;
  }

  /** E_Q[(P/Q - 1)^2] of one step. */
  private static double variance(MechanismSpec unit, double sigma) {
    if (unit.samplesEveryRecord()) {
      double reach =
          unit.relation() == NeighbouringRelation.REPLACE_ONE ? 2 : unit.recordsPerUser();
      return reach / sigma * (reach / sigma);
    }
    // With c and c' of a unit's k records in two draws it is E[e^{c c' / sigma^2}] - 1.
    int k = unit.recordsPerUser();
    double q = unit.samplingRate();
    double sum = 0;
    for (int c = 1; c <= k; c++) {
      double weight = SpecialFunctions.logBinomialPmf(k, c, q);
      double log = k * Math.log1p(q * Math.expm1(c / (sigma * sigma)));
      sum += log < 1 ? Math.exp(weight) * Math.expm1(log) : Math.exp(weight + log);
    }
    return sum;
  }

  /**
   * Brackets the answer around {@code guess}, then narrows it by regula falsi in logarithms with
   * halving (Illinois).
   */
  private static double leastNoise(DoubleUnaryOperator epsilon, double target, double guess) {
    double safe = guess;
    double safeGap = gap(epsilon, safe, target);
    double factor = 1.05;
    double risky = safe;
    double riskyGap = safeGap;
    while (safeGap > 0) {
      risky = safe;
      riskyGap = safeGap;
      safe *= factor;
      factor *= factor;
      if (safe > MOST_NOISE) {
        throw new IllegalArgumentException(
            "calibration: no noise multiplier up to " + MOST_NOISE + " reaches epsilon " + target);
      }
      safeGap = gap(epsilon, safe, target);
    }
    factor = 1.05;
    while (riskyGap <= 0) {
      safe = risky;
      safeGap = riskyGap;
      if (safe <= LEAST_NOISE) {
        return safe;
      }
      risky = Math.max(LEAST_NOISE, risky / factor);
      factor *= factor;
      riskyGap = gap(epsilon, risky, target);
    }
    return narrow(epsilon, target, new double[] {risky, riskyGap, safe, safeGap});
  }

  private static double narrow(DoubleUnaryOperator epsilon, double target, double[] bracket) {
    double risky = bracket[0];
    double riskyGap = bracket[1];
    double safe = bracket[2];
    double safeGap = bracket[3];
    int kept = 0;
    for (int i = 0; i < MOST_ROUNDS && safe > risky * (1 + TOLERANCE); i++) {
      double share = riskyGap / (riskyGap - safeGap);
      if (!(share > 0 && share < 1) || i % 4 == 3) {
        share = 0.5;
      }
      double width = Math.log(safe / risky);
      // Stay a third of the tolerance away from both ends, so that an end close to the answer is
      // confirmed from its other side.
      double margin = Math.min(0.5, TOLERANCE / 3 / width);
      double middle = risky * Math.exp(width * Math.max(margin, Math.min(1 - margin, share)));
      double middleGap = gap(epsilon, middle, target);
      if (middleGap > 0) {
        risky = middle;
        riskyGap = middleGap;
        safeGap *= kept < 0 ? 0.5 : 1;
        kept = -1;
      } else {
        safe = middle;
        safeGap = middleGap;
        riskyGap *= kept > 0 ? 0.5 : 1;
        kept = 1;
      }
    }
    return safe;
  }

  /** ln(epsilon / target), cut to +-50. */
  private static double gap(DoubleUnaryOperator epsilon, double sigma, double target) {
    double value = epsilon.applyAsDouble(sigma);
    if (value <= target) {
      return Math.max(-50, Math.log(value / target));
    }
    return Math.min(50, Math.max(Double.MIN_NORMAL, Math.log(value / target)));
  }

  private static void requireTarget(MechanismSpec spec, double epsilon) {
    if (!(epsilon > 0 && epsilon < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "calibration: epsilon is " + epsilon + ", must be positive and finite");
    }
    if (epsilon > LARGEST_TARGET) {
      throw new IllegalArgumentException(
          "calibration: epsilon is "
              + epsilon
              + ", which promises nothing; give at most "
              + (int) LARGEST_TARGET
              + ", or inf for a run without privacy");
    }
    if (spec.nonPrivate()) {
      throw new IllegalArgumentException("calibration: a run without noise has no epsilon to meet");
    }
  }
}
