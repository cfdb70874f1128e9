package palimpsest.synth;

import java.util.List;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.VectorSum;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;
import palimpsest.privacy.audit.GaussianAudit;
import palimpsest.privacy.audit.OneRunAudit;
import palimpsest.privacy.audit.SubsampledAudit;

/**
 * Attacks the private step itself: the real payments, sampler, clipped sum and noise, with canaries
 * in the place of records, each in the data or not by the toss of a coin. The attacker sees every
 * noisy sum, as the guarantee supposes, and tells from them which canaries were in. How well that
 * goes bounds epsilon from below; a bound above the claim shows a fault (Nasr et al. 2023; Steinke,
 * Nasr and Jagielski 2023).
 *
 * <p>One object serves many audits of a claim. Not thread-safe.
 */
public final class GradientAudit {
  private static final int GRID_BITS = 24;

  /** Share of the canaries that the one-run attacker guesses to be in, and as many to be out. */
  private static final double GUESSED = 0.1;

  /**
   * What an audit found.
   *
   * @param claimed upper bound of epsilon that the accountant gives
   * @param shown epsilon is not below this, if the noise is Gaussian, whatever its size
   * @param shownByGuessing epsilon is not below this, whatever the mechanism is
   * @param significance each bound is wrong with at most this probability
   */
  public record Result(
      double claimed, double shown, double shownByGuessing, int canaries, double significance) {
    /** Whether the attack gains more than the claim allows. */
    public boolean refutesTheClaim() {
      return shown > claimed || shownByGuessing > claimed;
    }
  }

  private final MechanismSpec claim;
  private final double claimed;
  private final SubsampledAudit bounds;

  /**
   * Audits of one claim.
   *
   * @param claim add or remove one record, with noise
   */
  public GradientAudit(MechanismSpec claim) {
    if (claim.nonPrivate()
        || claim.relation() != NeighbouringRelation.ADD_REMOVE
        || claim.unit() != ProtectedUnit.RECORD
        || !(claim.clipRule() instanceof ClipRule.Flat)) {
      throw new IllegalArgumentException(
          "audit: the claim must be about adding or removing one record, with noise and flat clipping");
    }
    this.claim = claim;
    claimed = Accountant.of(claim).epsilon(claim.delta()).upper();
    bounds = new SubsampledAudit(claim);
  }

  /**
   * One audit of a run that is made as it is claimed to be.
   *
   * @param canaries how many, in the data or not: 100 to 100,000
   * @param significance the chance that a bound may be wrong, in (0, 1)
   * @param progress told the number of each finished step
   */
  public Result run(Kernels kernels, int canaries, double significance, LongConsumer progress) {
    return run(claim, kernels, canaries, significance, progress);
  }

  /**
   * One audit of a run that is made otherwise than claimed: tests plant faults so.
   *
   * @param made what really happens
   */
  Result run(
      MechanismSpec made,
      Kernels kernels,
      int canaries,
      double significance,
      LongConsumer progress) {
    if (canaries < 100 || canaries > 100_000) {
      throw new IllegalArgumentException(
          "audit: " + canaries + " canaries; it must be 100 to 100000");
    }
    if (!(significance > 0 && significance < 1)) {
      throw new IllegalArgumentException(
          "audit: significance is " + significance + ", must be inside (0, 1)");
    }
    double[] scores = new double[canaries];
    Coins coins = attack(made, kernels, scores, progress);
    double[] members = coins.scoresOf(true, scores);
    double[] others = coins.scoresOf(false, scores);
    double shown =
        claim.samplesEveryRecord()
            ? GaussianAudit.epsilonBelow(members, others, significance, claim.delta())
            : bounds.epsilonBelow(members, others, significance);
    return new Result(claimed, shown, guess(coins, scores, significance), canaries, significance);
  }

  /** Trains on the canaries that are in; a canary's score is the likelihood ratio of being in. */
  private Coins attack(
      MechanismSpec made, Kernels kernels, double[] scores, LongConsumer progress) {
    try (SecretKey key = SecretKey.fromOperatingSystem();
        TemporaryLedger ledger = new TemporaryLedger(TemporaryLedger.usualParent(), made);
        PrivateTraining training =
            new PrivateTraining(
                kernels,
                made,
                1,
                arena -> new VectorSum(kernels, scores.length, made.clipNorm(), GRID_BITS, arena),
                arena -> new CanaryGradients(kernels, scores.length, arena),
                (sums, first, scale, step) -> score(sums, first, scores))) {
      Coins coins = Coins.toss(key, scores.length);
      List<Example> members =
          IntStream.range(0, scores.length)
              .filter(coins::in)
              .mapToObj(CanaryGradients::canary)
              .toList();
      training.run(members, ledger.startRun(List.of(), key), key, 1, () -> {}, progress);
      return coins;
    }
  }

  /**
   * Adds the logarithm of the likelihood ratio of one noisy sum: the best that an attacker who
   * believes the claim can do (Neyman and Pearson 1933).
   */
  private void score(Tensor sums, long first, double[] scores) {
    double q = claim.samplingRate();
    double s = claim.noiseMultiplier();
    for (int i = 0; i < sums.size(); i++) {
      double x = Math.scalb((double) sums.getLong(i), -GRID_BITS);
      double ratio = (2 * x - 1) / (2 * s * s);
      scores[Math.toIntExact(first + i)] +=
          ratio < 30
              ? Math.log1p(q * Math.expm1(ratio))
              : ratio + Math.log(q) + Math.log1p((1 - q) / q * Math.exp(-ratio));
    }
  }

  /**
   * Names the highest scores members and as many of the lowest not: how many was settled before.
   */
  private double guess(Coins coins, double[] scores, double significance) {
    int each = (int) (GUESSED * scores.length);
    return new OneRunAudit(scores.length, 2 * each, coins.rightGuesses(scores, each, each))
        .epsilonBelow(claim.delta(), significance);
  }
}
