package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.privacy.PrivacyEvent.DiscreteLaplace;
import palimpsest.privacy.PrivacyEvent.Gaussian;

/**
 * The margin of 1e-10 for closed forms and for losses at cell borders: the bounds stand off from
 * what decimal arithmetic gives by it, both ways.
 */
class PrivacyLossTest {
  /** All of the margin but what the tests themselves may be off. */
  private static final double MARGIN = 0.9e-10;

  /** Delta of an event in decimal arithmetic. */
  private interface Exact {
    BigDecimal delta(double epsilon);
  }

  private static PrivacyLoss loss(PrivacyEvent event) {
    return PrivacyLoss.of(NeighbouringRelation.ADD_REMOVE, List.of(event));
  }

  private static void assertEpsilonStandsOff(PrivacyLoss loss, double delta, Exact exact) {
    PrivacyLoss.Interval epsilon = loss.epsilon(delta);
    BigDecimal wanted = new BigDecimal(delta);
    assertTrue(
        exact.delta(epsilon.upper() * (1 - MARGIN)).compareTo(wanted) <= 0,
        () -> epsilon + " too low for " + delta);
    assertTrue(
        exact.delta(epsilon.lower() * (1 + MARGIN)).compareTo(wanted) >= 0,
        () -> epsilon + " too high for " + delta);
  }

  /** Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu). */
  private static BigDecimal gaussian(double sigma, long count, double epsilon) {
    BigDecimal eps = new BigDecimal(epsilon);
    BigDecimal mu =
        BigDecimal.valueOf(count)
            .sqrt(ExactDecimals.DIGITS)
            .divide(new BigDecimal(sigma), ExactDecimals.DIGITS);
    BigDecimal half = mu.divide(BigDecimal.TWO);
    BigDecimal ratio = eps.divide(mu, ExactDecimals.DIGITS);
    BigDecimal less = ExactDecimals.normalCdf(half.negate().subtract(ratio));
    return ExactDecimals.normalCdf(half.subtract(ratio))
        .subtract(ExactDecimals.exp(eps).multiply(less));
  }

  @Test
  void closedFormsStandOff() {
    Random random = new Random(6);
    for (int round = 0; round < 30; round++) {
      long count = 1 + random.nextInt(1000);
      double mu = Math.pow(10, 2.5 * random.nextDouble() - 2);
      double sigma = Math.sqrt(count) / mu;
      PrivacyLoss loss = loss(new Gaussian(sigma, count));
      double most = AnalyticGaussian.delta(mu, 0);
      double delta = most * Math.pow(10, -0.1 - 11 * random.nextDouble());
      assertEpsilonStandsOff(loss, delta, epsilon -> gaussian(sigma, count, epsilon));
      double epsilon = AnalyticGaussian.epsilon(mu, delta);
      PrivacyLoss.Interval around = loss.delta(epsilon);
      double exact = gaussian(sigma, count, epsilon).doubleValue();
      assertTrue(
          around.upper() >= exact * (1 + MARGIN) && around.lower() <= exact * (1 - MARGIN),
          () -> around + " around " + exact);
    }
  }

  /** However little there is to lose, no bound is on the wrong side for want of digits. */
  @Test
  void tinyLossesAreEnclosed() {
    Random random = new Random(7);
    for (int round = 0; round < 300; round++) {
      boolean deep = round % 3 == 0;
      double mu = Math.pow(10, deep ? 0.5 - 3.5 * random.nextDouble() : -12 * random.nextDouble());
      double sigma = 1 / mu;
      PrivacyLoss loss = loss(new Gaussian(sigma, 1));
      double epsilon = round % 10 == 0 ? 0 : mu * (deep ? 36 : 6) * random.nextDouble();
      BigDecimal exact = gaussian(sigma, 1, epsilon);
      PrivacyLoss.Interval delta = loss.delta(epsilon);
      assertTrue(
          new BigDecimal(delta.upper()).compareTo(exact) >= 0
              && new BigDecimal(delta.lower()).compareTo(exact) <= 0,
          () -> delta + " around " + exact + " of mu " + mu);
      if (epsilon > 0 && !deep) {
        assertEpsilonStandsOff(loss, exact.doubleValue(), at -> gaussian(sigma, 1, at));
      }
    }
    assertEquals(0, AnalyticGaussian.delta(1e-9, 1));
    assertEquals(0, AnalyticGaussian.epsilon(1e-9, 1e-6));
    double far = AnalyticGaussian.logDelta(1e-3, 0.25);
    assertTrue(far < -31_000 && far > -32_000, "" + far);
  }

  /** Losses of plus and minus 1: on the grid as they are, so no other margin is in the way. */
  @Test
  void boundsOnAGridStandOff() {
    double high = 1 / (1 + Math.exp(-1));
    LossPmf one = new LossPmf(0, new double[] {Math.exp(-1) * high, high}, 2, -1, 0);
    for (int count : new int[] {30, 60, 100}) {
      ExactSum exact = ExactSum.of(List.of(new Composition.Part(one, count)));
      PrivacyLoss loss = loss(new DiscreteLaplace(1, count));
      for (double delta : new double[] {0.1, 1e-3, 1e-6, 1e-9}) {
        assertEpsilonStandsOff(loss, delta, exact::delta);
        double epsilon = loss.epsilon(delta).upper();
        PrivacyLoss.Interval around = loss.delta(epsilon);
        BigDecimal above = exact.delta(epsilon * (1 - MARGIN));
        BigDecimal below = exact.delta(epsilon * (1 + MARGIN));
        assertTrue(
            new BigDecimal(around.upper()).compareTo(above) >= 0
                && new BigDecimal(around.lower()).compareTo(below) <= 0,
            () -> around + " around " + exact.delta(epsilon));
      }
    }
  }
}
