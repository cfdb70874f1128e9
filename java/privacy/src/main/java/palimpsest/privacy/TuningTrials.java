package palimpsest.privacy;

/**
 * The privacy of hyper-parameter tuning by random repetition (Papernot and Steinke 2022): the same
 * training is run K times with different settings, K random and secret, and only the best run is
 * released. Every run must cost no more than the one accounted for, and the score that picks the
 * best must be computed inside the run's guarantee or on public data.
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

  /** K ~ Poisson(mean); K may be 0, then nothing is released. */
  record Poisson(double mean) implements TuningTrials {
    public Poisson {
      requireMean(mean);
    }

    /** R(a) + mean delta(ln(1 + 1/(a-1))) + ln(mean)/(a-1) (Theorem 6). */
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
      double odds = 1 / gamma - 1;
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
