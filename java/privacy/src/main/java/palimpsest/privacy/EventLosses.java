package palimpsest.privacy;

import palimpsest.privacy.PrivacyEvent.ApproximateDp;
import palimpsest.privacy.PrivacyEvent.DiscreteLaplace;
import palimpsest.privacy.PrivacyEvent.Gaussian;
import palimpsest.privacy.PrivacyEvent.GaussianMixture;
import palimpsest.privacy.PrivacyEvent.PoissonGaussian;
import palimpsest.privacy.PrivacyEvent.TruncatedPoissonGaussian;

/** What each event is, mathematically, under a neighbouring relation. */
final class EventLosses {
  private EventLosses() {}

  /** Whether the event has infinite epsilon by definition. */
  static boolean isNonPrivate(PrivacyEvent event) {
    return event instanceof PoissonGaussian training && training.spec().nonPrivate();
  }

  /**
   * Noise over sensitivity if one run of {@code event} is exactly a Gaussian mechanism on the whole
   * data set, else 0.
   */
  static double gaussianNoise(NeighbouringRelation relation, PrivacyEvent event) {
    check(relation, event);
    return switch (event) {
      case Gaussian gaussian -> gaussian.noiseMultiplier();
      case PoissonGaussian training when training.spec().samplingRate() == 1 -> {
        MechanismSpec spec = training.spec();
        int reach = relation == NeighbouringRelation.REPLACE_ONE ? 2 : spec.recordsPerUser();
        yield spec.noiseMultiplier() / reach;
      }
      default -> 0;
    };
  }

  /** The distribution of the loss of one run of {@code event}, which must be private. */
  static StepLoss stepLoss(NeighbouringRelation relation, PrivacyEvent event) {
    check(relation, event);
    return switch (event) {
      case PoissonGaussian(MechanismSpec spec, long _) -> new StepLoss.Continuous(pair(spec));
      case Gaussian(double sigma, long _) ->
          new StepLoss.Continuous(new SubsampledGaussian(1, sigma));
      case GaussianMixture mixture ->
          new StepLoss.Continuous(
              new MixturePair(
                  mixture.noiseMultiplier(), mixture.sensitivities(), mixture.weights()));
      case TruncatedPoissonGaussian truncated -> truncated(truncated);
      case DiscreteLaplace(double epsilon, long _) -> new StepLoss.TwoPoint(epsilon, 0, true);
      case ApproximateDp(double epsilon, double delta, long _) ->
          new StepLoss.TwoPoint(epsilon, delta, false);
    };
  }

  private static LossPair pair(MechanismSpec spec) {
    double q = spec.samplingRate();
    double s = spec.noiseMultiplier();
    if (spec.relation() == NeighbouringRelation.REPLACE_ONE) {
      return new ReplacedGaussian(q, s);
    }
    return spec.recordsPerUser() == 1
        ? new SubsampledGaussian(q, s)
        : MixturePair.binomial(q, s, spec.recordsPerUser());
  }

  /**
   * With n records and cap B: a sampled record meets a full batch with probability p_t = P[Bin(n-1,
   * q) >= B]; then it acts like a replacement at rate q' = P[Bin(n, q) > B] B / (p_t n) with half
   * the noise (Ganesh 2025).
   */
  private static StepLoss truncated(TruncatedPoissonGaussian event) {
    double q = event.samplingRate();
    double s = event.noiseMultiplier();
    long n = event.datasetSize();
    long cap = event.maxBatch();
    StepLoss.Continuous free = new StepLoss.Continuous(new SubsampledGaussian(q, s));
    double full = SpecialFunctions.binomialTail(n - 1, cap, q) * (1 + 1e-9);
    double rate = SpecialFunctions.binomialTail(n, cap + 1, q) * (1 + 1e-9) * cap / (full * n);
    if (!(full > 0) || !(rate > 0)) {
      return free;
    }
    StepLoss.Continuous bound =
        new StepLoss.Continuous(new ReplacedGaussian(Math.min(1, rate), s / 2));
    return new StepLoss.Truncated(free, bound, Math.min(1, full));
  }

  private static void check(NeighbouringRelation relation, PrivacyEvent event) {
    if (event instanceof PoissonGaussian(MechanismSpec spec, long _)) {
      require(
          spec.relation() == relation, "a training run under another relation than " + relation);
      require(
          relation == NeighbouringRelation.ADD_REMOVE || spec.recordsPerUser() == 1,
          "more than one record per user, which needs the add/remove relation");
    }
    if (event instanceof GaussianMixture || event instanceof TruncatedPoissonGaussian) {
      require(
          relation == NeighbouringRelation.ADD_REMOVE,
          "an event that needs the add/remove relation");
    }
  }

  private static void require(boolean holds, String what) {
    if (!holds) {
      throw new IllegalArgumentException("account: it holds " + what);
    }
  }
}
