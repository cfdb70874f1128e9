package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * One-step privacy losses and divergences as published by google/differential-privacy
 * (pld/privacy_loss_mechanism_test.py). There the record moves the mean to -s; here to +1.
 */
class LossPairTest {
  private static LossPair pair(double sigma, double sensitivity, double q, String relation) {
    double s = sigma / sensitivity;
    return relation.equals("REPLACE") ? new ReplacedGaussian(q, s) : new SubsampledGaussian(q, s);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 0.5, ADD, -4, 0.6820994357113515",
    "1, 2, 0.7, ADD, 0, 0.929541389699331",
    "4, 4, 0.3, ADD, -16, 0.3519252431310541",
    "5, 5, 0.45, ADD, 20, -2.737735427805667",
    "7, 14, 0.9, ADD, -7, 2.150000710600199",
    "1, 1, 0.5, REMOVE, 4, -0.6820994357113515",
    "5, 5, 0.45, REMOVE, -20, 2.737735427805667",
    "1, 1, 0.8, REPLACE, -0.5, 0.7046054708796524",
    "1, 1, 0.5, REPLACE, 4, -3.5187026734240265",
    "4, 4, 0.3, REPLACE, 16, -2.7160414258090357",
    "5, 5, 0.45, REPLACE, -20, 3.3265243075613813",
  })
  void loss(
      double sigma, double sensitivity, double q, String relation, double x, double expected) {
    LossPair pair = pair(sigma, sensitivity, q, relation);
    double here = x / sensitivity;
    double loss = relation.equals("ADD") ? -pair.loss(here) : pair.loss(-here);
    assertEquals(expected, loss, 1e-13);
    double position = relation.equals("ADD") ? here : -here;
    assertEquals(position, pair.position(pair.loss(position)), 1e-9);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, REMOVE, 1, 0.12693674",
    "1, 1, 1, REMOVE, 2, 0.02092364",
    "1, 3, 1, REMOVE, 1, 0.78760074",
    "1, 1, 0.8, ADD, 1, 0.0231362104090899",
    "1, 3, 0.7, ADD, 1, 0.1195051215523554",
    "1, 1, 0.8, REMOVE, 1, 0.0816951786585355",
    "1, 3, 0.7, REMOVE, 1, 0.5356298793262404",
    "2, 6, 0.4, REMOVE, 1, 0.2888308005139968",
    "1, 1, 0.3, REMOVE, 2, 0.0003341102928869332",
    "2, 1, 0.8, REPLACE, 1, 0.05808665654484252",
    "3, 6, 0.4, REPLACE, 1, 0.20752885274183325",
    "2, 6, 0.4, ADD, 1, 0",
    "1, 1, 0.3, ADD, 2, 0",
  })
  void delta(
      double sigma, double sensitivity, double q, String relation, double eps, double expected) {
    LossCells cells = new LossCells(pair(sigma, sensitivity, q, relation), 1e-4, 9);
    boolean add = relation.equals("ADD");
    double upper = single(cells.upper(add)).deltaAbove(eps);
    double lower = single(cells.lower(add)).deltaBelow(eps);
    assertEquals(expected, upper, 1e-8);
    assertEquals(expected, lower, 1e-8);
    assertTrue(lower <= upper);
  }

  private static Composition single(LossPmf pmf) {
    return new Composition(List.of(new Composition.Part(pmf, 1)));
  }

  @Test
  void upperTail() {
    SubsampledGaussian pair = new SubsampledGaussian(0.8, 1);
    assertEquals(0.7730757968548344, pair.above(0).p(), 1e-13);
    assertEquals(0.9500688436551652, pair.above(-1).p(), 1e-13);
  }

  @Test
  void connectedDotsOnACoarseGrid() {
    LossPmf pmf = new LossCells(new SubsampledGaussian(1, 1), 1, 9).upper(false);
    double[] expected = {0.126282046, 0.319116756, 0.343270190};
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], pmf.mass[(int) (i - 1 - pmf.first)], 1e-9);
    }
  }

  @Test
  void aMixtureOfOneComponentIsTheSubsampledGaussian() {
    SubsampledGaussian plain = new SubsampledGaussian(0.03, 0.9);
    MixturePair mixture = MixturePair.binomial(0.03, 0.9, 1);
    for (double x = -8; x < 9; x += 0.37) {
      assertEquals(plain.loss(x), mixture.loss(x), 1e-13 * (1 + Math.abs(plain.loss(x))));
      assertEquals(x, mixture.position(mixture.loss(x)), 1e-5 * Math.exp(Math.max(0, -2 * x)));
    }
  }

  /** One step with all records of a user of many, by its definition, on both sides. */
  @ParameterizedTest
  @CsvSource({"20, 0.01, 3, 0.5", "20, 0.2, 8, 1", "50, 0.01, 2, 1", "50, 0.01, 8, 0.1"})
  void manyRecordsOfOneUser(int records, double q, double s, double eps) {
    double[] weights = new double[records + 1];
    for (int c = 0; c <= records; c++) {
      weights[c] = choose(records, c) * Math.pow(q, c) * Math.pow(1 - q, records - c);
    }
    LossCells cells = new LossCells(MixturePair.binomial(q, s, records), 1e-4, 8);
    double removed = positiveDifference(weights, s, eps, false);
    assertEquals(removed, single(cells.upper(false)).deltaAbove(eps), 1e-6 * removed + 1e-10);
    assertEquals(removed, single(cells.lower(false)).deltaBelow(eps), 1e-5 * removed + 1e-10);
    double added = positiveDifference(weights, s, eps, true);
    assertEquals(added, single(cells.upper(true)).deltaAbove(eps), 1e-6 * added + 1e-10);
    assertEquals(added, single(cells.lower(true)).deltaBelow(eps), 1e-5 * added + 1e-10);
  }

  private static double choose(int n, int k) {
    double result = 1;
    for (int i = 1; i <= k; i++) {
      result *= (double) (n - k + i) / i;
    }
    return result;
  }

  /** Integral of max(0, P - e^eps Q) by the trapezoid rule, or of max(0, Q - e^eps P). */
  private static double positiveDifference(double[] weights, double s, double eps, boolean added) {
    double width = s / 20_000;
    double sum = 0;
    for (double x = -9 * s; x < weights.length + 9 * s; x += width) {
      double q = Math.exp(-0.5 * x * x / (s * s));
      double p = 0;
      for (int c = 0; c < weights.length; c++) {
        p += weights[c] * Math.exp(-0.5 * (x - c) * (x - c) / (s * s));
      }
      sum += Math.max(0, added ? q - Math.exp(eps) * p : p - Math.exp(eps) * q);
    }
    return sum * width / (s * Math.sqrt(2 * Math.PI));
  }

  @ParameterizedTest
  @CsvSource({"1, 0.03, 0.9", "5, 0.1, 2", "50, 0.01, 7", "50, 0.9, 60"})
  void littleIsLeftBehindTheEndOfAMixture(int records, double q, double s) {
    MixturePair mixture = MixturePair.binomial(q, s, records);
    for (double z : new double[] {1, 5, 9, 14}) {
      LossPair.Tail left = mixture.above(mixture.end(z));
      double allowed = 2 * SpecialFunctions.normalCdf(-z);
      assertTrue(left.p() <= allowed && left.q() <= allowed, left.toString());
      assertTrue(mixture.end(z) <= records + z * s);
    }
  }
}
