package palimpsest.privacy;

import java.util.List;

/**
 * The privacy of hyper-parameter tuning by random repetition (Papernot and Steinke 2022): one
 * training is run K times, K random and secret, and only the best run is released.
 *
 * <p>The theorems are about K independent runs of one and the same mechanism. So each run draws its
 * settings anew, from a list and with probabilities that were fixed beforehand, and none follows
 * from what another showed. No setting may cost more than the run accounted for. The score that
 * picks the best must be computed inside the run's guarantee, or from what it released and public
 * data.
 */
public sealed interface TuningTrials {

  /** Expected number of runs. */
  double mean();

  /**
   * The account of releasing the best of K runs.
   *
   * @param oneRun account of the costliest run, without chance of infinite loss
   */
  RenyiAccountant bestOf(RenyiAccountant oneRun);

  /**
   * An upper bound of the epsilon of releasing the best of K runs, at {@code run.delta()}; infinite
   * when none is known.
   *
   * @param run the costliest run
   * @throws IllegalArgumentException if the run is non-private
   */
  default double epsilon(MechanismSpec run) {
    if (run.nonPrivate()) {
      throw new IllegalArgumentException("tuning: the best of runs without noise has no epsilon");
    }
    List<PrivacyEvent> events = List.of(new PrivacyEvent.PoissonGaussian(run));
    return bestOf(RenyiAccountant.of(run.relation(), events)).epsilon(run.delta());
  }

  /**
   * How many runs to make: K, drawn so that its distribution is within 2^-128, in total variation,
   * of the stated one. That adds at most (1 + e^epsilon) 2^-128 to delta. The number is secret, and
   * stays so after the release.
   *
   * @param key makes one draw, always the same: for every K a fresh key
   * @throws IllegalArgumentException if more runs may come out than could be made
   */
  default long draw(SecretKey key) {
    return TrialCount.draw(this, key, 0);
  }

  /**
   * K ~ Poisson(mean); K may be 0, then nothing is released.
   *
   * @param mean at least 1: a smaller one would need a term for the release of nothing, without
   *     which the bound of the theorem falls below the divergence, and below 0
   */
  record Poisson(double mean) implements TuningTrials {
    public Poisson {
      requireMean(mean);
      if (mean < 1) {
        throw new IllegalArgumentException(
            "tuning: mean number of runs is " + mean + ", must be at least 1 for Poisson");
      }
    }

    /**
     * R(a) + mean delta(ln(1 + 1/(a-1))) + ln(mean)/(a-1) (Theorem 6; docs/privacy.md on K = 0).
     */
    @Override
    public RenyiAccountant bestOf(RenyiAccountant oneRun) {
      requireFinite(oneRun);
      double[] orders = oneRun.orders();
      double[] out = oneRun.divergences();
      for (int i = 0; i < out.length; i++) {
        double rest = orders[i] - 1;
        out[i] += mean * oneRun.delta(Math.log1p(1 / rest)) + Math.log(mean) / rest;
      }
      return new RenyiAccountant(orders, out, 0);
    }
  }

  /**
   * K ~ truncated negative binomial: P[K = k] proportional to (1-gamma)^k Gamma(k + eta)/k!, k >=
   * 1; eta = 1 is the geometric distribution, eta = 0 the logarithmic one.
   *
   * @param eta shape, above -1
   * @param gamma in (0, 1)
   */
  record TruncatedNegativeBinomial(double eta, double gamma) implements TuningTrials {
    public TruncatedNegativeBinomial {
      if (!(eta > -1 && eta < Double.POSITIVE_INFINITY && gamma > 0 && gamma < 1)) {
        throw new IllegalArgumentException(
            "tuning: need finite eta above -1 and gamma in (0, 1), got " + eta + ", " + gamma);
      }
    }

    /** The distribution of shape {@code eta} with the given mean, which must be above 1. */
    public static TruncatedNegativeBinomial withMean(double eta, double mean) {
      requireMean(mean);
      double low = -700;
      double high = -1e-12;
      if (new TruncatedNegativeBinomial(eta, Math.exp(high)).mean() > mean) {
        throw new IllegalArgumentException(
            "tuning: mean number of runs is " + mean + ", must be above 1");
      }
      if (new TruncatedNegativeBinomial(eta, Math.exp(low)).mean() < mean) {
        throw new IllegalArgumentException("tuning: no gamma gives a mean of " + mean + " runs");
      }
      for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        if (new TruncatedNegativeBinomial(eta, Math.exp(middle)).mean() > mean) {
          low = middle;
        } else {
          high = middle;
        }
      }
      // More runs cost more: the end with the larger mean is the safe one.
      return new TruncatedNegativeBinomial(eta, Math.exp(low));
    }

    @Override
    public double mean() {
      double odds = (1 - gamma) / gamma;
      return eta == 0 ? odds / -Math.log(gamma) : eta * odds / -Math.expm1(eta * Math.log(gamma));
    }

    /**
     * R(a) + (1+eta) min_b [(1 - 1/b) R(b) + ln(1/gamma)/b] + ln(mean)/(a-1) (Theorem 2), made
     * nondecreasing in a, as Renyi divergences are.
     */
    @Override
    public RenyiAccountant bestOf(RenyiAccountant oneRun) {
      requireFinite(oneRun);
      double[] orders = oneRun.orders();
      double[] one = oneRun.divergences();
      double least = Double.POSITIVE_INFINITY;
      for (int i = 0; i < one.length; i++) {
        least = Math.min(least, (1 - 1 / orders[i]) * one[i] - Math.log(gamma) / orders[i]);
      }
      double[] out = new double[one.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = one[i] + (1 + eta) * least + Math.log(mean()) / (orders[i] - 1);
      }
      for (int i = 0; i < out.length; i++) {
        for (int j = 0; j < out.length; j++) {
          out[i] = orders[j] >= orders[i] ? Math.min(out[i], out[j]) : out[i];
        }
      }
      return new RenyiAccountant(orders, out, 0);
    }
  }

  private static void requireMean(double mean) {
    if (!(mean > 0 && mean < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "tuning: mean number of runs is " + mean + ", must be positive and finite");
    }
  }

  private static void requireFinite(RenyiAccountant oneRun) {
    if (oneRun.infiniteLoss() > 0) {
      throw new IllegalArgumentException(
          "tuning: the run has events that are only (epsilon, delta)-DP; the bound needs Renyi divergences");
    }
  }
}
