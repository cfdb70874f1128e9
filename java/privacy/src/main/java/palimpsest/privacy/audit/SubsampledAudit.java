package palimpsest.privacy.audit;

import java.util.List;
import java.util.TreeMap;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.MechanismSpec;

/**
 * A lower bound of epsilon of a training run with Poisson sampling from the scores of canaries. Its
 * premise is that the run is one of a family: the claimed sampling, steps and relation, with some
 * noise, larger or smaller than claimed. Each member of the family allows an attacker certain error
 * rates and no better ones: its trade-off curve, taken from the privacy loss distribution. Members
 * whose curve lies above what the attacker did are ruled out, and the run costs at least what the
 * noisiest member costs that is left (the idea of Nasr et al. 2023, with the exact curve in the
 * place of a Gaussian one).
 *
 * <p>Curves are kept, so one object serves many audits of the same claim. Not thread-safe.
 */
public final class SubsampledAudit {
  /** Neighbouring members differ in noise by this factor. */
  private static final double RUNG = 1.03;

  /** Noise from 1/4 to 4 times what is claimed. */
  private static final int RUNGS = 47;

  private static final int POINTS = 24;

  private final MechanismSpec claimed;
  private final TreeMap<Integer, TradeOff> curves = new TreeMap<>();

  /**
   * Audits of one claim.
   *
   * @param claimed with noise
   */
  public SubsampledAudit(MechanismSpec claimed) {
    if (claimed.nonPrivate()) {
      throw new IllegalArgumentException("audit: a run without noise claims nothing");
    }
    this.claimed = claimed;
  }

  /**
   * The smallest epsilon at the claim's delta that the scores leave possible; it is wrong with
   * probability {@code significance} at most.
   *
   * @param members scores of canaries in the data, larger meaning more likely in; at least 4
   * @param others scores of canaries that were not; at least 4
   * @return the bound, 0 when nothing is shown
   */
  public double epsilonBelow(double[] members, double[] others, double significance) {
    List<ErrorRates> rates = ErrorRates.of(members, others, significance);
    int possible = -RUNGS - 1;
    int refuted = RUNGS + 1;
    while (refuted - possible > 1) {
      int middle = Math.floorDiv(possible + refuted, 2);
      if (rates.stream().allMatch(curve(middle)::allows)) {
        possible = middle;
      } else {
        refuted = middle;
      }
    }
    return refuted > RUNGS ? 0 : Accountant.of(member(refuted)).epsilon(claimed.delta()).lower();
  }

  private MechanismSpec member(int rung) {
    return claimed.withNoiseMultiplier(claimed.noiseMultiplier() * Math.pow(RUNG, rung));
  }

  private TradeOff curve(int rung) {
    return curves.computeIfAbsent(rung, r -> TradeOff.of(member(r)));
  }

  /**
   * A trade-off curve from below, as the supporting lines that delta at several epsilons gives: for
   * any set S of outputs, P(S) <= e^epsilon Q(S) + delta in both directions.
   */
  private record TradeOff(double[] epsilon, double[] delta) {

    static TradeOff of(MechanismSpec spec) {
      Accountant account = Accountant.of(spec);
      double last = account.epsilon(1e-6).upper();
      double[] epsilon = new double[POINTS];
      double[] delta = new double[POINTS];
      for (int i = 0; i < POINTS; i++) {
        epsilon[i] = last * i / (POINTS - 1);
        delta[i] = account.delta(epsilon[i]);
      }
      return new TradeOff(epsilon, delta);
    }

    boolean allows(ErrorRates rates) {
      double fpr = rates.falsePositive();
      double fnr = rates.falseNegative();
      for (int i = 0; i < epsilon.length; i++) {
        double factor = Math.exp(epsilon[i]);
        if (1 - fnr > factor * fpr + delta[i] || 1 - fpr > factor * fnr + delta[i]) {
          return false;
        }
      }
      return true;
    }
  }
}
