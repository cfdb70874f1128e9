package palimpsest.privacy;

import java.util.List;
import java.util.Objects;

/**
 * One kind of access to the private data, made {@link #count} times. The kinds are closed: a use of
 * the data that none of them describes has no epsilon. An event with count k costs exactly what k
 * events with count 1 cost.
 */
public sealed interface PrivacyEvent {

  /** How many times the mechanism ran, at least 1. */
  long count();

  /**
   * Noisy updates of a training run.
   *
   * @param spec the run's settings; {@code spec.steps()} is the plan, {@code count} what happened
   */
  record PoissonGaussian(MechanismSpec spec, long count) implements PrivacyEvent {
    public PoissonGaussian {
      Objects.requireNonNull(spec, "spec");
      requireCount(count);
    }

    /** All planned steps of a run. */
    public PoissonGaussian(MechanismSpec spec) {
      this(spec, spec.steps());
    }
  }

  /**
   * Gaussian noise on a query of the whole data set.
   *
   * @param noiseMultiplier standard deviation over the query's L2 sensitivity under the account's
   *     relation
   */
  record Gaussian(double noiseMultiplier, long count) implements PrivacyEvent {
    public Gaussian {
      requirePositive("noise multiplier", noiseMultiplier);
      requireCount(count);
    }
  }

  /**
   * Gaussian noise on a sum to which the protected unit contributes a random amount: sensitivity
   * {@code sensitivities[i]} with probability {@code weights[i]} (Ganesh 2024, "Tight group-level
   * DP guarantees for DP-SGD with sampling via mixture of Gaussians mechanisms"). Add/remove only.
   *
   * @param noiseMultiplier standard deviation in the unit of the sensitivities
   * @param sensitivities strictly increasing, the first not negative
   * @param weights positive, summing to 1 within 1e-12
   */
  record GaussianMixture(
      double noiseMultiplier, List<Double> sensitivities, List<Double> weights, long count)
      implements PrivacyEvent {
    public GaussianMixture {
      requirePositive("noise multiplier", noiseMultiplier);
      requireCount(count);
      sensitivities = List.copyOf(sensitivities);
      weights = List.copyOf(weights);
      if (sensitivities.isEmpty() || sensitivities.size() != weights.size()) {
        throw new IllegalArgumentException(
            "privacy event: give as many weights as sensitivities, at least one");
      }
      double total = 0;
      for (int i = 0; i < weights.size(); i++) {
        requirePositive("mixture weight", weights.get(i));
        double before = i == 0 ? Math.nextDown(0.0) : sensitivities.get(i - 1);
        if (!(sensitivities.get(i) > before && sensitivities.get(i) < Double.POSITIVE_INFINITY)) {
          throw new IllegalArgumentException(
              "privacy event: sensitivities must rise from 0 or more and be finite");
        }
        total += weights.get(i);
      }
      if (!(Math.abs(total - 1) <= 1e-12)) {
        throw new IllegalArgumentException(
            "privacy event: mixture weights sum to " + total + ", must sum to 1");
      }
    }
  }

  /**
   * A training step whose Poisson batch is cut at {@code maxBatch} records (Chua et al. 2024;
   * Ganesh 2025): the cap ties the records of a batch together, which costs privacy. Add/remove
   * only, record level.
   *
   * @param datasetSize number of records n of the larger neighbour
   */
  record TruncatedPoissonGaussian(
      double noiseMultiplier, double samplingRate, long datasetSize, long maxBatch, long count)
      implements PrivacyEvent {
    public TruncatedPoissonGaussian {
      requirePositive("noise multiplier", noiseMultiplier);
      requirePositive("sampling rate", samplingRate);
      requireCount(count);
      if (samplingRate > 1 || datasetSize < 1 || maxBatch < 1) {
        throw new IllegalArgumentException(
            "privacy event: need rate in (0, 1], data set size and maximal batch at least 1");
      }
    }
  }

  /**
   * Two-sided geometric noise on a count vector, or any mechanism that is epsilon-DP: the loss is
   * {@code epsilon} or its negative.
   *
   * @param epsilon pure epsilon of one run under the account's relation
   */
  record DiscreteLaplace(double epsilon, long count) implements PrivacyEvent {
    public DiscreteLaplace {
      requirePositive("epsilon", epsilon);
      requireCount(count);
    }
  }

  /** Any mechanism known only to be (epsilon, delta)-DP. */
  record ApproximateDp(double epsilon, double delta, long count) implements PrivacyEvent {
    public ApproximateDp {
      if (!(epsilon >= 0 && epsilon < Double.POSITIVE_INFINITY && delta >= 0 && delta < 1)) {
        throw new IllegalArgumentException(
            "privacy event: need finite epsilon of at least 0 and delta in [0, 1)");
      }
      requireCount(count);
    }
  }

  private static void requireCount(long count) {
    if (count < 1) {
      throw new IllegalArgumentException(
          "privacy event: count is " + count + ", must be at least 1");
    }
  }

  private static void requirePositive(String what, double value) {
    if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "privacy event: " + what + " is " + value + ", must be positive and finite");
    }
  }
}
