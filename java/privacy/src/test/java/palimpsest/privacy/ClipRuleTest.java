package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of clipping as the accountant and the ledger know them. */
class ClipRuleTest {
  private static final MechanismSpec SPEC =
      MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 0.1, 100, 10_000, 5, 1e-6);

  private static ClipRule.Quantile quantile(double countNoise) {
    return new ClipRule.Quantile(0.5, 0.2, OptionalDouble.of(countNoise));
  }

  static final List<ClipRule> RULES =
      List.of(
          new ClipRule.Flat(),
          new ClipRule.PerLayer(),
          new ClipRule.Automatic(0.01),
          quantile(20),
          new ClipRule.Quantile(0.9, 1, OptionalDouble.of(1 / 3.0 + 1)));

  /** A double as a multiple of 2^-1074. */
  private static BigInteger exact(double value) {
    long bits = Double.doubleToRawLongBits(value);
    int exponent = (int) (bits >>> 52);
    BigInteger fraction = BigInteger.valueOf(bits & ((1L << 52) - 1));
    return exponent == 0 ? fraction : fraction.setBit(52).shiftLeft(exponent - 1);
  }

  /** 1 / sum^2 + 1 / count^2 <= 1 / sigma^2 over integers. */
  private static boolean isPaidFor(double sum, double count, double sigma) {
    BigInteger a = exact(sum).pow(2);
    BigInteger b = exact(count).pow(2);
    BigInteger s = exact(sigma).pow(2);
    return s.multiply(a.add(b)).compareTo(a.multiply(b)) <= 0;
  }

  /** The smallest noise that does, but for a few units in the last place, and never less. */
  @Test
  @Tag("R27")
  void sumAndCountTogetherCostWhatIsPaidFor() {
    SplittableRandom random = new SplittableRandom(27);
    for (int trial = 0; trial < 20_000; trial++) {
      double sigma = Math.exp(random.nextDouble(-12, 6));
      double noise =
          switch (trial % 4) {
            case 0 -> sigma * random.nextDouble(0.5001, 1);
            case 1 -> sigma * Math.exp(random.nextDouble(0, 12));
            case 2 -> Math.nextUp(sigma / 2);
            default -> sigma / 2 * (1 + Math.exp(random.nextDouble(-36, 0)));
          };
      double sum =
          SPEC.withNoiseMultiplier(sigma).withClipRule(quantile(noise)).sumNoiseMultiplier();
      String what = "sigma " + sigma + ", count " + noise + ", sum " + sum;
      assertTrue(sum > sigma, what);
      assertTrue(isPaidFor(sum, 2 * noise, sigma), what);
      double less = sum;
      for (int ulp = 0; ulp < 16; ulp++) {
        less = Math.nextDown(less);
      }
      assertFalse(isPaidFor(less, 2 * noise, sigma), what + " is more than it takes");
    }
  }

  /** The accountant, given the two queries one by one, finds the price of the one that was paid. */
  @Test
  @Tag("R27")
  void twoQueriesOneByOneCostTheSame() {
    for (double noise : new double[] {0.8, 1, 3, 50}) {
      MechanismSpec every =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 1, 10, 10, 20, 1e-6)
              .withClipRule(quantile(noise));
      EpsilonBracket paid = Accountant.of(every).epsilon(every.delta());
      EpsilonBracket apart =
          Accountant.of(
                  every.relation(),
                  List.of(
                      new PrivacyEvent.Gaussian(every.sumNoiseMultiplier(), every.steps()),
                      new PrivacyEvent.Gaussian(2 * noise, every.steps())))
              .epsilon(every.delta());
      assertEquals(paid.upper(), apart.upper(), 1e-3 * paid.upper(), "count noise " + noise);
      assertTrue(apart.lower() <= paid.upper(), "the two cost more than what was paid");
    }
  }

  /**
   * R27: with the multiplier of the sum alone these runs were reported to cost 1.698, 3.668 and
   * 4.799 by another system; they cost 4.848 by Renyi divergences, whatever the count's noise.
   */
  @ParameterizedTest
  @ValueSource(doubles = {0.6, 1, 5})
  @Tag("R27")
  void aStepIsPricedByWhatSumAndCountReveal(double noise) {
    MechanismSpec spec =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 100, 30, 1e-5)
            .withClipRule(quantile(noise));
    assertEquals(4.848, Accountant.of(spec).epsilon(1e-5).renyi(), 0.05);
    assertEquals(
        1 / Math.sqrt(1 - 1 / (4 * noise * noise)), spec.sumNoiseMultiplier(), 1e-12, "of the sum");
    assertEquals(
        Accountant.of(spec.withClipRule(new ClipRule.Flat())).epsilon(1e-5),
        Accountant.of(spec).epsilon(1e-5));
  }

  @Test
  void aCountThatCostsAllIsRefused() {
    for (double noise : new double[] {0, 0.1, 0.74999, 0.75}) {
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class, () -> SPEC.withClipRule(quantile(noise)), "" + noise);
      assertTrue(refused.getMessage().contains("leaves no noise to the sum"), refused.getMessage());
    }
    MechanismSpec just = SPEC.withClipRule(quantile(0.751));
    assertThrows(IllegalArgumentException.class, () -> just.withNoiseMultiplier(1.6));
    assertThrows(
        IllegalArgumentException.class,
        () -> SPEC.withClipRule(new ClipRule.Quantile(0.5, 0.2, OptionalDouble.empty())),
        "not settled");
  }

  @Test
  void withoutNoiseTheCountMayBeExact() {
    MechanismSpec bare =
        MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 5, 1e-6);
    assertEquals(0, bare.withClipRule(quantile(0)).sumNoiseMultiplier());
    assertEquals(0, SPEC.withClipRule(quantile(3)).withoutNoise().sumNoiseMultiplier());
  }

  @Test
  void everyOtherRuleLeavesAllTheNoiseToTheSum() {
    for (ClipRule rule : RULES.subList(0, 3)) {
      assertEquals(1.5, SPEC.withClipRule(rule).sumNoiseMultiplier());
      assertEquals(rule, SPEC.withClipRule(rule).withSteps(3).clipRule());
    }
  }

  @Test
  void settingsOutOfTheirRangeAreRefused() {
    OptionalDouble noise = OptionalDouble.of(1);
    for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThrows(IllegalArgumentException.class, () -> new ClipRule.Automatic(bad));
      assertThrows(IllegalArgumentException.class, () -> new ClipRule.Quantile(bad, 0.2, noise));
      assertThrows(IllegalArgumentException.class, () -> new ClipRule.Quantile(0.5, bad, noise));
    }
    for (double bad : new double[] {-1, Double.NaN, 0x1p32}) {
      assertThrows(IllegalArgumentException.class, () -> quantile(bad));
    }
    assertThrows(IllegalArgumentException.class, () -> new ClipRule.Quantile(1, 0.2, noise));
    MechanismSpec huge = MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1e9, 1, 10, 5, 1e-6);
    assertThrows(IllegalArgumentException.class, () -> huge.withClipRule(quantile(9)));
  }

  /**
   * Noisy counts of records drawn from a fixed distribution lead to its quantile and stay there.
   */
  @ParameterizedTest
  @ValueSource(doubles = {0.1, 0.5, 0.8})
  void theClipNormFollowsTheQuantile(double quantile) {
    SplittableRandom random = new SplittableRandom(5);
    int batch = 400;
    ClipRule.Quantile rule = new ClipRule.Quantile(quantile, 0.2, OptionalDouble.of(batch / 20.0));
    double[] norms = random.doubles(20_000).map(u -> 3 * Math.exp(2 * u)).sorted().toArray();
    double wanted = norms[(int) (quantile * norms.length)];
    for (double start : new double[] {0.05, 3, 500}) {
      double clipNorm = start;
      double late = 0;
      for (int step = 0; step < 800; step++) {
        double bound = clipNorm;
        long balance =
            random.ints(batch, 0, norms.length).map(i -> norms[i] <= bound ? 1 : -1).sum();
        long noise = Math.round(rule.balanceNoise() * random.nextGaussian());
        clipNorm = rule.next(clipNorm, balance + noise, batch);
        late += step >= 400 ? Math.log(clipNorm) / 400 : 0;
      }
      assertEquals(wanted, Math.exp(late), 0.1 * wanted, "from " + start);
    }
  }

  @Test
  void theClipNormMovesByTheFormulaAndStaysInItsRange() {
    ClipRule.Quantile rule = new ClipRule.Quantile(0.4, 0.3, OptionalDouble.of(7));
    assertEquals(2 * Math.exp(-0.3 * (0.75 - 0.4)), rule.next(2, 50, 100), 1e-15);
    assertEquals(2 * Math.exp(-0.3 * 0.1), rule.next(2, 0, 100), 1e-15, "nobody was drawn");
    assertEquals(1e-6, rule.next(2, Long.MAX_VALUE, 1));
    assertEquals(1e6, rule.next(2, Long.MIN_VALUE, 1));
    assertEquals(14, rule.balanceNoise(), "halves of a record");
  }

  /** A record of a run under a rule, in the form of a line. */
  private static LedgerRecord.RunStart start(ClipRule rule) {
    return new LedgerRecord.RunStart(
        "0123456789abcdef", "fedcba9876543210", false, RunTerms.of(SPEC.withClipRule(rule)));
  }

  @ParameterizedTest
  @FieldSource("RULES")
  void theRuleComesBackFromTheLedger(ClipRule rule) {
    String line = FlatJson.write(LedgerCodec.fields(start(rule)));
    assertEquals(start(rule), LedgerCodec.record(FlatJson.read(line)));
  }

  /** What ledgers held before there was a choice, byte for byte. */
  @Test
  void linesWithoutARuleAreOfFlatClipping() {
    String old =
        "{\"type\":\"runStart\",\"run\":\"0123456789abcdef\",\"first\":\"0123456789abcdef\",\"key\":\"fedcba9876543210\","
            + "\"insecure\":0,\"relation\":\"ADD_REMOVE\",\"noiseMultiplier\":\"0x1.8p0\",\"clipNorm\":\"0x1.999999999999ap-4\","
            + "\"samplingThreshold\":\"184467440737095516\",\"steps\":5,\"delta\":\"0x1.0c6f7a0b5ed8dp-20\",\"expectedBatch\":100,"
            + "\"unit\":\"RECORD\",\"recordsPerUser\":1,\"nonPrivate\":0,\"rows\":\"records\",\"waivers\":\"\"}";
    assertEquals(start(new ClipRule.Flat()), LedgerCodec.record(FlatJson.read(old)));
    assertEquals(old, FlatJson.write(LedgerCodec.fields(start(new ClipRule.Flat()))));
  }

  /** One reading of a line, and none of what no program wrote. */
  @Test
  void linesThatSayARuleOtherwiseAreRefused() {
    String quantile = FlatJson.write(LedgerCodec.fields(start(quantile(20))));
    String automatic = FlatJson.write(LedgerCodec.fields(start(new ClipRule.Automatic(1))));
    String flat = FlatJson.write(LedgerCodec.fields(start(new ClipRule.Flat())));
    assertTrue(quantile.contains("\"countNoise\":\"0x1.4p4\""), quantile);
    for (String bad :
        List.of(
            flat.replace(",\"rows\"", ",\"clipRule\":\"flat\",\"rows\""),
            flat.replace(",\"rows\"", ",\"clipRule\":\"adaptive\",\"rows\""),
            flat.replace(",\"rows\"", ",\"clipRule\":1,\"rows\""),
            flat.replace(",\"rows\"", ",\"clipGamma\":\"0x1.0p0\",\"rows\""),
            automatic.replace("automatic", "per-layer"),
            automatic.replace(",\"clipGamma\":\"0x1.0p0\"", ""),
            automatic.replace("\"0x1.0p0\"", "\"1\""),
            automatic.replace("\"0x1.0p0\"", "\"NaN\""),
            quantile.replace(",\"countNoise\":\"0x1.4p4\"", ""),
            quantile.replace("0x1.4p4", "0x1.4p-1"),
            quantile.replace("0x1.4p4", "Infinity"))) {
      assertFalse(List.of(quantile, automatic, flat).contains(bad), bad);
      assertThrows(
          IllegalArgumentException.class, () -> LedgerCodec.record(FlatJson.read(bad)), bad);
    }
  }

  @Test
  void everyRuleSaysWhatItDoes() {
    assertEquals(
        List.of("flat", "per-layer", "automatic", "quantile", "quantile"),
        RULES.stream().map(ClipRule::id).toList());
    assertEquals(RULES.size(), RULES.stream().map(ClipRule::words).distinct().count());
    assertTrue(quantile(20).words().endsWith("noise of 20.0 records and is charged"));
    assertTrue(quantile(0).words().endsWith("the count has no noise"));
    assertEquals(new BigDecimal(40), new BigDecimal(quantile(20).balanceNoise()));
    assertEquals(
        Purpose.values().length,
        Arrays.stream(Purpose.values()).mapToInt(Purpose::word).distinct().count());
  }
}
