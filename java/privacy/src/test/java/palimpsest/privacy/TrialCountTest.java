package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.privacy.TuningTrials.Poisson;
import palimpsest.privacy.TuningTrials.TruncatedNegativeBinomial;

class TrialCountTest {
  private static final BigDecimal TINY = BigDecimal.ONE.movePointLeft(48);

  /**
   * P[K <= k] to 50 digits, by summing the masses with 60 digits (mpmath); shape infinity is
   * Poisson with that mean.
   */
  @ParameterizedTest
  @CsvSource({
    "Infinity, 10, 0, 0.00004539992976248485153559151556055061023791808886656497",
    "Infinity, 10, 10, 0.5830397501929855072989298360070600288368452609446635",
    "Infinity, 10, 40, 0.9999999999998222658250650055633933637298301997833471",
    "0, 0.125, 1, 0.4207860535926143271466446986255518734161050699612876",
    "0, 0.125, 5, 0.8320729168152261140629444070656603801585750856902134",
    "0, 0.125, 40, 0.9996574088140626216214670857325453267915533151327838",
    "-0.5, 0.125, 1, 0.6767766952966368811002110905262122598212089844221185",
    "-0.5, 0.125, 5, 0.946707442386356719898250033532778826028089233333964",
    "-0.5, 0.125, 40, 0.9999540245364537570728496128579099956476632764758618",
    "1, 0.125, 1, 0.125",
    "1, 0.125, 5, 0.487091064453125",
    "2.5, 0.125, 1, 0.01215147244070151718694030099730568749044795450012346",
    "2.5, 0.125, 5, 0.1179845887191782099994633223179493281179183141947883",
    "2.5, 0.125, 40, 0.9511739978811280944184225370080698023320001356697025"
  })
  void theNumberPassesEachLimitWhereTheDistributionDoes(
      double eta, double parameter, long k, BigDecimal limit) {
    TuningTrials trials =
        Double.isInfinite(eta)
            ? new Poisson(parameter)
            : new TruncatedNegativeBinomial(eta, parameter);
    assertEquals(k, TrialCount.inverse(trials, limit.subtract(TINY)));
    assertEquals(k + 1, TrialCount.inverse(trials, limit.add(TINY)));
  }

  static Stream<TuningTrials> distributions() {
    return Stream.of(
        new Poisson(4),
        TruncatedNegativeBinomial.withMean(1, 5),
        TruncatedNegativeBinomial.withMean(0, 3),
        TruncatedNegativeBinomial.withMean(-0.5, 3),
        TruncatedNegativeBinomial.withMean(2.5, 8));
  }

  @ParameterizedTest
  @MethodSource("distributions")
  void drawsHaveTheStatedFrequencies(TuningTrials trials) {
    int draws = 5_000;
    int cells = 12;
    long[] counts = new long[cells];
    try (SecretKey key = SecretKey.insecureDeterministic(1)) {
      for (int i = 0; i < draws; i++) {
        counts[(int) Math.min(cells - 1, TrialCount.draw(trials, key, i))]++;
      }
    }
    double rest = draws;
    double statistic = 0;
    int freedom = -1;
    for (int k = 0; k < cells; k++) {
      double expected = k < cells - 1 ? draws * mass(trials, k) : rest;
      rest -= expected;
      if (expected == 0) {
        assertEquals(0, counts[k], "a truncated distribution has no 0");
      } else {
        statistic += (counts[k] - expected) * (counts[k] - expected) / expected;
        freedom++;
      }
    }
    assertTrue(statistic < freedom + 5 * Math.sqrt(2.0 * freedom), trials + ": " + statistic);
  }

  private static double mass(TuningTrials trials, int k) {
    return switch (trials) {
      case Poisson(double mean) ->
          Math.exp(k * Math.log(mean) - mean - SpecialFunctions.logGamma(k + 1.0));
      case TruncatedNegativeBinomial(double eta, double gamma) -> {
        double product = eta == 0 ? 1 : eta / Math.expm1(-eta * Math.log(gamma));
        for (int i = 1; i < k; i++) {
          product *= (i + eta) / (i + 1);
        }
        yield k == 0 ? 0 : product * Math.pow(1 - gamma, k) / (eta == 0 ? -Math.log(gamma) : 1);
      }
    };
  }

  @Test
  void bothEndsOfTheIntervalHaveANumber() {
    for (TuningTrials trials : distributions().toList()) {
      assertEquals(trials instanceof Poisson ? 0 : 1, TrialCount.inverse(trials, BigDecimal.ZERO));
      assertTrue(TrialCount.inverse(trials, BigDecimal.ONE) > 60);
    }
  }

  @Test
  void largeAndSmallSettingsAreDrawn() {
    BigDecimal half = new BigDecimal("0.5");
    assertEquals(20_000, TrialCount.inverse(new Poisson(20_000), half), 1);
    // The geometric median: ln 2 / -ln(1 - gamma) is 6931.1.
    TuningTrials geometric = new TruncatedNegativeBinomial(1, 1e-4);
    assertEquals(6932, TrialCount.inverse(geometric, half));
    TuningTrials nearlyOne = TruncatedNegativeBinomial.withMean(1, 1 + 1e-9);
    assertEquals(1, TrialCount.inverse(nearlyOne, new BigDecimal("0.999999998")));
    TuningTrials nearlyLogarithmic = new TruncatedNegativeBinomial(1e-300, 0.125);
    assertEquals(1, TrialCount.inverse(nearlyLogarithmic, new BigDecimal("0.4207860535926143")));
    assertEquals(2, TrialCount.inverse(nearlyLogarithmic, new BigDecimal("0.4207860535926144")));
  }

  @Test
  void moreRunsThanCanBeMadeAreRefused() {
    try (SecretKey key = SecretKey.insecureDeterministic(1)) {
      for (TuningTrials trials :
          new TuningTrials[] {
            new Poisson(2e6),
            new TruncatedNegativeBinomial(-0.9, 1e-13),
            new TruncatedNegativeBinomial(1, 1e-7)
          }) {
        assertThrows(IllegalArgumentException.class, () -> trials.draw(key));
      }
    }
  }
}
