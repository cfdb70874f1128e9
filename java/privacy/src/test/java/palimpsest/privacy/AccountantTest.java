package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.privacy.PrivacyEvent.ApproximateDp;
import palimpsest.privacy.PrivacyEvent.DiscreteLaplace;
import palimpsest.privacy.PrivacyEvent.Gaussian;
import palimpsest.privacy.PrivacyEvent.GaussianMixture;
import palimpsest.privacy.PrivacyEvent.PoissonGaussian;

/** Laws that hold for every account, and refusals. */
class AccountantTest {
  private static final NeighbouringRelation RELATION = NeighbouringRelation.ADD_REMOVE;

  /** Relative width that two upper bounds of one quantity may differ by. */
  private static final double WIDTH = 2e-4;

  private static double upper(MechanismSpec spec) {
    return Accountant.of(spec).epsilon(spec.delta()).upper();
  }

  private static PrivacyLoss loss(MechanismSpec spec) {
    return PrivacyLoss.of(spec.relation(), List.of(new PoissonGaussian(spec)));
  }

  private static EpsilonBracket epsilon(double delta, PrivacyEvent... events) {
    return Accountant.of(RELATION, List.of(events)).epsilon(delta);
  }

  @Property(tries = 25)
  void boundsAreOrderedAndInvert(
      @ForAll @DoubleRange(min = -3, max = -0.3) double logRate,
      @ForAll @DoubleRange(min = 0.45, max = 6) double sigma,
      @ForAll @IntRange(min = 1, max = 5000) int steps,
      @ForAll @DoubleRange(min = -8, max = -3) double logDelta,
      @ForAll NeighbouringRelation relation) {
    double delta = Math.pow(10, logDelta);
    MechanismSpec spec = Settings.of(relation, Math.pow(10, logRate), sigma, steps, delta);
    EpsilonBracket epsilon = Accountant.of(spec).epsilon(delta);
    assertTrue(epsilon.lower() <= epsilon.upper());
    assertTrue(epsilon.lower() <= epsilon.renyi(), epsilon::toString);
    assertTrue(epsilon.upper() <= epsilon.renyi() * (1 + WIDTH), epsilon::toString);
    PrivacyLoss loss = loss(spec);
    assertTrue(loss.delta(epsilon.upper(), 1e-2).lower() <= delta);
    assertTrue(
        loss.delta(epsilon.lower(), 1e-2).upper() >= delta * (1 - 1e-9) || epsilon.lower() == 0);
  }

  /** Far beyond the largest loss, where e^epsilon is no number any more, delta is 0. */
  @Test
  void anEpsilonThatNoLossReachesIsNeverPassed() {
    PrivacyLoss loss = loss(Settings.of(Math.pow(10, -0.3), 0.45, 4713, 1e-4));
    for (double epsilon : new double[] {1e5, 1e6, 1e300}) {
      PrivacyLoss.Interval delta = loss.delta(epsilon);
      assertTrue(delta.lower() == 0 && delta.upper() < 1e-12, delta::toString);
    }
    PrivacyLoss.Interval delta = loss.delta(4435.5, 1e-2);
    assertEquals(4.69e-4, delta.upper(), 0.02e-4, "the other direction reaches no more than 3300");
  }

  @Property(tries = 6)
  void moreOfAnythingThatLeaksCostsMore(
      @ForAll @DoubleRange(min = -2.5, max = -0.5) double logRate,
      @ForAll @DoubleRange(min = 0.5, max = 4) double sigma,
      @ForAll @IntRange(min = 20, max = 3000) int steps) {
    double rate = Math.pow(10, logRate);
    MechanismSpec spec = Settings.of(rate, sigma, steps, 1e-6);
    double base = upper(spec);
    assertTrue(base > upper(spec.withNoiseMultiplier(sigma * 1.1)));
    assertTrue(base < upper(spec.withSteps(steps + steps / 10)));
    assertTrue(base < upper(Settings.of(rate * 1.1, sigma, steps, 1e-6)));
    assertTrue(base > Accountant.of(spec).epsilon(1e-5).upper());
    assertTrue(base < upper(spec.withUnit(ProtectedUnit.USER, 2)));
    assertTrue(
        base < upper(Settings.of(NeighbouringRelation.REPLACE_ONE, rate, sigma, steps, 1e-6)));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.5, 1, 3, 20})
  void theGridAgreesWithTheClosedFormWithoutSampling(double sigma) {
    PrivacyEvent onGrid = new GaussianMixture(sigma, List.of(1.0), List.of(1.0), 7);
    double exact = AnalyticGaussian.epsilon(Math.sqrt(7) / sigma, 1e-6);
    EpsilonBracket grid = epsilon(1e-6, onGrid);
    assertTrue(grid.lower() <= exact && exact <= grid.upper(), grid + " against " + exact);
    assertEquals(exact, grid.upper(), WIDTH * exact);
    assertEquals(exact, upper(Settings.of(1, sigma, 7, 1e-6)), 1e-9 * exact);
    assertEquals(exact, epsilon(1e-6, new Gaussian(sigma, 7)).upper(), 1e-9 * exact);
  }

  /** The closed form of one step of the subsampled Gaussian, the record being removed. */
  private static double oneStepDelta(double q, double s, double epsilon) {
    double x = s * s * Math.log((Math.expm1(epsilon) + q) / q) + 0.5;
    double miss = Normal.cdf(-x / s);
    return (1 - q) * miss + q * Normal.cdf((1 - x) / s) - Math.exp(epsilon) * miss;
  }

  @Test
  void oneStepAgreesWithItsClosedForm() {
    for (double q : new double[] {0.01, 0.3, 0.9}) {
      for (double s : new double[] {0.8, 2.5}) {
        PrivacyLoss loss = loss(Settings.of(q, s, 1, 1e-6));
        for (double epsilon : new double[] {0.05, 0.8}) {
          double exact = oneStepDelta(q, s, epsilon);
          double ours = loss.delta(epsilon, 1e-3).upper();
          assertTrue(ours >= exact * (1 - 1e-6) - 1e-13, q + " " + s + " " + epsilon);
          assertEquals(exact, ours, 2e-3 * exact + 1e-11, q + " " + s + " " + epsilon);
        }
      }
    }
  }

  private static List<PrivacyEvent> mixed() {
    MechanismSpec first = Settings.of(0.02, 1.2, 300, 1e-6);
    MechanismSpec second = Settings.of(0.05, 2, 200, 1e-6);
    return List.of(
        new PoissonGaussian(first),
        new Gaussian(12, 2),
        new DiscreteLaplace(0.05, 3),
        new PoissonGaussian(second),
        new ApproximateDp(0.1, 1e-8, 2));
  }

  @Test
  void theOrderOfEventsDoesNotMatter() {
    List<PrivacyEvent> reversed = new ArrayList<>(mixed());
    Collections.reverse(reversed);
    double straight = Accountant.of(RELATION, mixed()).epsilon(1e-6).upper();
    assertEquals(straight, Accountant.of(RELATION, reversed).epsilon(1e-6).upper(), 1e-9);
    assertTrue(straight > epsilon(1e-6, mixed().getFirst()).upper());
  }

  @Test
  void aCountIsThatManySeparateEvents() {
    MechanismSpec spec = Settings.of(0.05, 1, 50, 1e-6);
    List<List<PrivacyEvent>> kinds =
        List.of(
            List.of(new PoissonGaussian(spec, 3), new PoissonGaussian(spec, 1)),
            List.of(new Gaussian(2, 3), new Gaussian(2, 1)),
            List.of(new DiscreteLaplace(0.3, 3), new DiscreteLaplace(0.3, 1)),
            List.of(new ApproximateDp(0.3, 1e-7, 3), new ApproximateDp(0.3, 1e-7, 1)),
            List.of(
                new GaussianMixture(1, List.of(0.0, 1.0), List.of(0.8, 0.2), 3),
                new GaussianMixture(1, List.of(0.0, 1.0), List.of(0.8, 0.2), 1)));
    for (List<PrivacyEvent> kind : kinds) {
      PrivacyEvent one = kind.get(1);
      EpsilonBracket together = epsilon(1e-6, kind.get(0));
      EpsilonBracket apart = epsilon(1e-6, one, one, one);
      assertEquals(together.upper(), apart.upper(), 1e-8 * together.upper(), one::toString);
      assertEquals(together.renyi(), apart.renyi(), 1e-9 * together.renyi(), one::toString);
      assertTrue(together.upper() > 1.02 * epsilon(1e-6, one).upper(), one::toString);
    }
  }

  @Test
  void differentEventsCostNoLessThanTheDearerAndNoMoreThanTheirSum() {
    PrivacyEvent a = mixed().get(0);
    PrivacyEvent b = mixed().get(3);
    double both = epsilon(2e-6, a, b).upper();
    assertTrue(both > epsilon(2e-6, a).upper() && both > epsilon(2e-6, b).upper());
    assertTrue(both < epsilon(1e-6, a).upper() + epsilon(1e-6, b).upper());
  }

  @Test
  void aRunWithoutNoiseHasNoFiniteEpsilon() {
    MechanismSpec bare = MechanismSpec.nonPrivate(RELATION, 1, 10, 100, 5, 1e-6);
    EpsilonBracket epsilon = Accountant.of(bare).epsilon(1e-6);
    assertEquals(Double.POSITIVE_INFINITY, epsilon.upper());
    assertEquals(Double.POSITIVE_INFINITY, epsilon.renyi());
    assertEquals(1, Accountant.of(bare).delta(3));
  }

  @Test
  void aDeltaThatIsSpentLeavesNoFiniteEpsilon() {
    EpsilonBracket epsilon = epsilon(1e-6, new ApproximateDp(0.1, 1e-6, 2));
    assertEquals(Double.POSITIVE_INFINITY, epsilon.upper());
    assertEquals(Double.POSITIVE_INFINITY, epsilon.renyi());
  }

  @Test
  void noEventsCostNothing() {
    assertEquals(new EpsilonBracket(0, 0, 0), epsilon(1e-6));
    assertEquals(0, Accountant.of(RELATION, List.of()).delta(0));
  }

  @Test
  void whatHasNoAccountingIsRefused() {
    MechanismSpec spec = Settings.of(0.1, 1, 10, 1e-6);
    NeighbouringRelation other = NeighbouringRelation.REPLACE_ONE;
    List<PrivacyEvent> training = List.of(new PoissonGaussian(spec));
    assertThrows(IllegalArgumentException.class, () -> Accountant.of(other, training));
    MechanismSpec users = Settings.of(other, 0.1, 1, 10, 1e-6).withUnit(ProtectedUnit.USER, 2);
    assertThrows(IllegalArgumentException.class, () -> Accountant.of(users));
    Accountant account = Accountant.of(spec);
    for (double delta : new double[] {0, 1, -1, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> account.epsilon(delta));
    }
    for (double epsilon : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThrows(IllegalArgumentException.class, () -> account.delta(epsilon));
    }
  }
}
