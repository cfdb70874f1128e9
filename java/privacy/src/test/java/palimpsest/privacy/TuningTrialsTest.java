package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.privacy.TuningTrials.TruncatedNegativeBinomial;

class TuningTrialsTest {
  private static final NeighbouringRelation ADD_REMOVE = NeighbouringRelation.ADD_REMOVE;

  @Test
  void bestOfSeveralRunsAgreesWithTheReference() {
    JsonNode table = Golden.file("accounting.json").get("rdp_orders");
    double[] orders =
        StreamSupport.stream(table.spliterator(), false).mapToDouble(JsonNode::asDouble).toArray();
    JsonNode rows = Golden.file("accounting_extra.json").get("repeat_and_select");
    assertEquals(7, rows.size());
    for (JsonNode row : rows) {
      MechanismSpec spec = Golden.run(ADD_REMOVE, row);
      RenyiAccountant one =
          RenyiAccountant.of(ADD_REMOVE, List.of(new PrivacyEvent.PoissonGaussian(spec)), orders);
      double mean = row.get("mean_trials").asDouble();
      TuningTrials trials =
          row.get("eta").isTextual()
              ? new TuningTrials.Poisson(mean)
              : TruncatedNegativeBinomial.withMean(row.get("eta").asDouble(), mean);
      assertEquals(mean, trials.mean(), 1e-9 * mean);
      if (trials instanceof TruncatedNegativeBinomial negative) {
        assertEquals(row.get("gamma").asDouble(), negative.gamma(), 1e-9);
      }
      double tuned = trials.bestOf(one).epsilon(spec.delta());
      assertEquals(row.get("eps_single_run").asDouble(), one.epsilon(spec.delta()), 1e-6);
      assertEquals(row.get("eps_tuned").asDouble(), tuned, 1e-6 * tuned, row.toString());
    }
  }

  /**
   * A Gaussian on the whole data set has R(a) = a / (2 sigma^2), which makes the theorems closed
   * forms. They were evaluated with 60 digits (mpmath) at the default orders, and the mean solved
   * for gamma by bisection.
   */
  @ParameterizedTest
  @CsvSource({
    "5, 1e-6, 10, Infinity, 1.9804037817028842",
    "5, 1e-6, 10, 1, 1.8135689883724251",
    "5, 1e-6, 10, 0, 1.5132523611401561",
    "5, 1e-6, 10, 0.5, 1.6717528416441649",
    "5, 1e-6, 10, -0.5, 1.3283815442563358",
    "4, 1e-5, 40, Infinity, 5.4260133816863176",
    "4, 1e-5, 40, 1, 2.5109325753323549",
    "4, 1e-5, 40, 0, 2.003811781414081",
    "4, 1e-5, 40, 0.5, 2.2647341330236736",
    "4, 1e-5, 40, -0.5, 1.722350304161371"
  })
  void bestOfGaussiansIsTheClosedForm(
      double sigma, double delta, double mean, double eta, double epsilon) {
    MechanismSpec run = Golden.run(1, sigma, 1, delta);
    assertEquals(epsilon, trials(eta, mean).epsilon(run), 1e-9 * epsilon);
  }

  /** Shape infinity stands for Poisson. */
  private static TuningTrials trials(double eta, double mean) {
    return Double.isInfinite(eta)
        ? new TuningTrials.Poisson(mean)
        : TruncatedNegativeBinomial.withMean(eta, mean);
  }

  /**
   * Runs with a few outcomes, the later the better, have a best of K whose distribution is known:
   * with f the generating function of K, outcome j is it with probability f(F(j)) - f(F(j-1)), F
   * the distribution function of one run, and nothing with f(0).
   */
  @Test
  void theExactDivergenceIsBelowTheBound() {
    RandomGenerator random = new SplittableRandom(7);
    double[] orders = {1.1, 1.5, 2, 3, 5, 10, 20, 50};
    for (int round = 0; round < 3000; round++) {
      int outcomes = 2 + random.nextInt(4);
      double spread = Math.pow(10, -2 * random.nextDouble());
      double[] p = distribution(random, outcomes);
      double[] q = distribution(random, outcomes);
      double[] close = new double[outcomes];
      for (int i = 0; i < outcomes; i++) {
        close[i] = p[i] + spread * (q[i] - p[i]);
      }
      double eta = List.of(Double.POSITIVE_INFINITY, 1.0, 0.0, 3.0, -0.5).get(round % 5);
      TuningTrials trials = trials(eta, 1.01 + 30 * Math.pow(random.nextDouble(), 4));
      double[] one = divergences(p, close, orders);
      double[] bound = trials.bestOf(new RenyiAccountant(orders, one, 0)).divergences();
      double[] exact = divergences(best(trials, p), best(trials, close), orders);
      for (int i = 0; i < orders.length; i++) {
        assertTrue(exact[i] <= bound[i] + 1e-9, trials + " order " + orders[i]);
      }
    }
  }

  private static double[] distribution(RandomGenerator random, int outcomes) {
    double[] mass = new double[outcomes];
    Arrays.setAll(mass, i -> 0.01 + random.nextDouble());
    double sum = Arrays.stream(mass).sum();
    Arrays.setAll(mass, i -> mass[i] / sum);
    return mass;
  }

  /** The larger divergence of both directions. */
  private static double[] divergences(double[] p, double[] q, double[] orders) {
    return Arrays.stream(orders)
        .map(a -> Math.log(Math.max(moment(p, q, a), moment(q, p, a))) / (a - 1))
        .toArray();
  }

  private static double moment(double[] p, double[] q, double order) {
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += p[i] == 0 ? 0 : p[i] * Math.pow(p[i] / q[i], order - 1);
    }
    return sum;
  }

  /** The best of K runs with the outcomes {@code p}, after the probability of no run. */
  private static double[] best(TuningTrials trials, double[] p) {
    double[] out = new double[p.length + 1];
    double below = generating(trials, 0);
    out[0] = below;
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += p[i];
      double upTo = generating(trials, Math.min(1, sum));
      out[i + 1] = upTo - below;
      below = upTo;
    }
    return out;
  }

  /** E[x^K]. */
  private static double generating(TuningTrials trials, double x) {
    return switch (trials) {
      case TuningTrials.Poisson(double mean) -> Math.exp(mean * (x - 1));
      case TruncatedNegativeBinomial(double eta, double gamma) -> {
        double log = Math.log1p(-(1 - gamma) * x);
        yield eta == 0
            ? log / Math.log(gamma)
            : Math.expm1(-eta * log) / Math.expm1(-eta * Math.log(gamma));
      }
    };
  }

  @Test
  void meanIsThatOfTheDistribution() {
    for (double eta : new double[] {-0.5, 0.5, 1, 3}) {
      double gamma = 0.05;
      double weight = (1 - gamma) * Math.exp(SpecialFunctions.logGamma(1 + eta));
      double sum = 0;
      double moment = 0;
      for (int k = 1; k < 4000; k++) {
        sum += weight;
        moment += k * weight;
        weight *= (1 - gamma) * (k + eta) / (k + 1);
      }
      assertEquals(
          moment / sum, new TruncatedNegativeBinomial(eta, gamma).mean(), 1e-9 * moment / sum);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 0, 3, -0.5, Double.POSITIVE_INFINITY})
  void moreTrialsCostMoreAndNoiseLess(double eta) {
    MechanismSpec spec = Golden.run(0.01, 1, 500, 1e-6);
    RenyiAccountant one =
        RenyiAccountant.of(ADD_REMOVE, List.of(new PrivacyEvent.PoissonGaussian(spec)));
    double last = one.epsilon(1e-6);
    for (double mean : new double[] {1.5, 5, 50, 500}) {
      TuningTrials trials = trials(eta, mean);
      double tuned = trials.epsilon(spec);
      assertTrue(tuned > last, "mean " + mean + ": " + tuned);
      assertTrue(trials.epsilon(spec.withNoiseMultiplier(1.01)) < tuned, "mean " + mean);
      last = tuned;
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 0, -0.5, Double.POSITIVE_INFINITY})
  void calibratedNoiseIsSafeAndWithinATenThousandthOfTheLeast(double eta) {
    MechanismSpec unit = Golden.run(0.01, 1, 500, 1e-6);
    TuningTrials trials = trials(eta, 10);
    MechanismSpec spec = Calibration.calibrate(unit, trials, 2);
    assertTrue(trials.epsilon(spec) <= 2);
    double less = spec.noiseMultiplier() * (1 - 1e-4);
    assertTrue(trials.epsilon(spec.withNoiseMultiplier(less)) > 2);
  }

  /** Below a mean of 1 the theorem's formula is below the exact divergence of the best of K. */
  @Test
  void aPoissonMeanBelowOneIsRefused() {
    double mean = 0.5;
    double order = 2;
    double[] p = {0.6, 0.4};
    double[] q = {0.5, 0.5};
    double delta = Math.max(0, 0.5 - 2 * 0.4);
    double formula = Math.log(moment(p, q, order)) + mean * delta + Math.log(mean);
    double nothing = Math.exp(-mean);
    double[] bestP = {nothing, Math.exp(-0.4 * mean) - nothing, -Math.expm1(-0.4 * mean)};
    double[] bestQ = {nothing, Math.exp(-0.5 * mean) - nothing, -Math.expm1(-0.5 * mean)};
    assertTrue(Math.log(moment(bestP, bestQ, order)) > formula);
    assertThrows(IllegalArgumentException.class, () -> new TuningTrials.Poisson(mean));
  }

  @Test
  void whatHasNoBoundIsRefused() {
    PrivacyEvent event = new PrivacyEvent.ApproximateDp(1, 1e-7, 1);
    RenyiAccountant approximate = RenyiAccountant.of(ADD_REMOVE, List.of(event));
    TuningTrials trials = new TuningTrials.Poisson(5);
    assertThrows(IllegalArgumentException.class, () -> trials.bestOf(approximate));
    MechanismSpec open = MechanismSpec.nonPrivate(ADD_REMOVE, 1, 10, 1000, 5, 1e-6);
    assertThrows(IllegalArgumentException.class, () -> trials.epsilon(open));
    assertThrows(IllegalArgumentException.class, () -> Calibration.calibrate(open, trials, 2));
    MechanismSpec run = Golden.run(0.01, 1, 500, 1e-6);
    // The largest order is 1024: runs that cost nothing still pay for it.
    assertThrows(IllegalArgumentException.class, () -> Calibration.calibrate(run, trials, 1e-3));
    assertThrows(IllegalArgumentException.class, () -> new TuningTrials.Poisson(0));
    assertThrows(IllegalArgumentException.class, () -> new TuningTrials.Poisson(Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> new TruncatedNegativeBinomial(-1, 0.5));
    assertThrows(IllegalArgumentException.class, () -> new TruncatedNegativeBinomial(1, 1));
    assertThrows(IllegalArgumentException.class, () -> TruncatedNegativeBinomial.withMean(1, 0.5));
  }
}
