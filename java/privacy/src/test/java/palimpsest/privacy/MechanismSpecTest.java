package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MechanismSpecTest {
  private static final NeighbouringRelation ADD_REMOVE = NeighbouringRelation.ADD_REMOVE;
  private static final ProtectedUnit RECORD = ProtectedUnit.RECORD;
  private static final BigInteger WHOLE = BigInteger.ONE.shiftLeft(64);

  private static MechanismSpec spec(
      double noise, double clip, long threshold, int steps, double delta) {
    return new MechanismSpec(
        ADD_REMOVE,
        noise,
        clip,
        threshold,
        steps,
        delta,
        64,
        RECORD,
        1,
        false,
        new ClipRule.Flat());
  }

  @Property(tries = 2000)
  @Tag("R32")
  void thresholdIsTheExactQuotient(
      @ForAll @LongRange(min = 1, max = 1L << 40) long batch,
      @ForAll @LongRange(min = 1, max = 1L << 20) long factor) {
    long size = batch + factor;
    BigInteger threshold =
        new BigInteger(Long.toUnsignedString(MechanismSpec.thresholdFor(batch, size)));
    BigInteger product = threshold.multiply(BigInteger.valueOf(size));
    BigInteger target = BigInteger.valueOf(batch).multiply(WHOLE);
    assertTrue(product.compareTo(target) <= 0);
    assertTrue(product.add(BigInteger.valueOf(size)).compareTo(target) > 0);
  }

  @Property(tries = 2000)
  void rateIsTheNextDoubleAtOrAboveTheFraction(@ForAll long threshold) {
    if (threshold == 0) {
      return;
    }
    double rate = spec(1, 1, threshold, 1, 1e-6).samplingRate();
    BigDecimal exact =
        new BigDecimal(new BigInteger(Long.toUnsignedString(threshold)))
            .divide(new BigDecimal(WHOLE));
    assertTrue(new BigDecimal(rate).compareTo(exact) >= 0);
    assertTrue(new BigDecimal(Math.nextDown(rate)).compareTo(exact) < 0);
  }

  @Test
  void aWordBelowTheThresholdIsIncluded() {
    MechanismSpec most = spec(1, 1, -1L, 1, 1e-6);
    assertTrue(most.includes(-2L));
    assertFalse(most.includes(-1L));
    assertEquals(1, most.samplingRate());
    MechanismSpec least = spec(1, 1, 1, 1, 1e-6);
    assertTrue(least.includes(0));
    assertFalse(least.includes(1));
    assertEquals(0x1p-64, least.samplingRate());
  }

  @Test
  void everyRecordMeansRateOne() {
    MechanismSpec all = MechanismSpec.of(ADD_REMOVE, 1, 1, 100, 100, 1, 1e-6);
    assertTrue(all.samplesEveryRecord());
    assertTrue(all.includes(-1L));
    assertEquals(1, all.samplingRate());
    assertFalse(MechanismSpec.of(ADD_REMOVE, 1, 1, 99, 100, 1, 1e-6).samplesEveryRecord());
  }

  /**
   * Dividing the data set's size by a batch size in floats loses a record for 153 sizes below 3000.
   */
  @Test
  void everySizeKeepsItsRate() {
    int lost = 0;
    for (int n = 1; n < 3000; n++) {
      lost += (int) (1 / (1.0 / n)) == n ? 0 : 1;
      long threshold = MechanismSpec.thresholdFor(1, n);
      BigInteger exact = n == 1 ? WHOLE : new BigInteger(Long.toUnsignedString(threshold));
      assertEquals(WHOLE.divide(BigInteger.valueOf(n)), exact);
      assertEquals(BigInteger.valueOf(n), WHOLE.divide(exact), "size " + n);
    }
    assertEquals(153, lost);
  }

  @ParameterizedTest
  @ValueSource(
      doubles = {0, -0.0, -1, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void numbersThatMeanNoPrivacyAreRefused(double bad) {
    assertThrows(IllegalArgumentException.class, () -> spec(bad, 1, 5, 1, 1e-6));
    assertThrows(IllegalArgumentException.class, () -> spec(1, bad, 5, 1, 1e-6));
    assertThrows(IllegalArgumentException.class, () -> spec(1, 1, 5, 1, bad));
    MechanismSpec good = spec(1, 1, 5, 1, 1e-6);
    assertThrows(IllegalArgumentException.class, () -> good.withNoiseMultiplier(bad));
  }

  @Test
  void countsBelowOneAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> spec(1, 1, 5, 0, 1e-6));
    assertThrows(IllegalArgumentException.class, () -> spec(1, 1, 5, 1, 1));
    MechanismSpec good = spec(1, 1, 5, 1, 1e-6);
    assertThrows(IllegalArgumentException.class, () -> good.withSteps(-1));
    assertThrows(IllegalArgumentException.class, () -> good.withUnit(ProtectedUnit.USER, 0));
    assertThrows(IllegalArgumentException.class, () -> good.withUnit(ProtectedUnit.USER, 1001));
    assertThrows(IllegalArgumentException.class, () -> MechanismSpec.thresholdFor(0, 10));
    assertThrows(IllegalArgumentException.class, () -> MechanismSpec.thresholdFor(11, 10));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new MechanismSpec(
                ADD_REMOVE, 1, 1, 5, 1, 1e-6, 0, RECORD, 1, false, new ClipRule.Flat()));
  }

  /** A person with one record is a person still: what is protected follows from no number. */
  @Test
  void theUnitIsNamedAndNeverGuessed() {
    MechanismSpec records = MechanismSpec.of(ADD_REMOVE, 1, 1, 10, 100, 5, 1e-6);
    MechanismSpec bare = MechanismSpec.nonPrivate(ADD_REMOVE, 1, 10, 100, 5, 1e-6);
    for (MechanismSpec spec : List.of(records, bare)) {
      assertEquals(RECORD, spec.unit());
      assertEquals(1, spec.recordsPerUser());
      assertThrows(IllegalArgumentException.class, () -> spec.withUnit(RECORD, 4));
      assertThrows(NullPointerException.class, () -> spec.withUnit(null, 1));
      for (int count : new int[] {1, 4}) {
        MechanismSpec people = spec.withUnit(ProtectedUnit.USER, count);
        assertEquals(ProtectedUnit.USER, people.unit());
        assertEquals(count, people.recordsPerUser());
        assertEquals(people.unit(), people.withSteps(2).unit());
        assertNotEquals(spec, people);
        assertEquals(spec, people.withUnit(RECORD, 1));
      }
    }
    assertEquals(
        ProtectedUnit.USER, records.withUnit(ProtectedUnit.USER, 2).withNoiseMultiplier(3).unit());
  }

  @Test
  void aRunWithoutNoiseIsMadeOnPurposeOnly() {
    MechanismSpec run =
        MechanismSpec.nonPrivate(ADD_REMOVE, Double.POSITIVE_INFINITY, 10, 100, 5, 1e-6);
    assertTrue(run.nonPrivate());
    EpsilonBracket epsilon = Accountant.of(run).epsilon(1e-6);
    assertEquals(Double.POSITIVE_INFINITY, epsilon.lower());
    assertEquals(Double.POSITIVE_INFINITY, epsilon.upper());
    assertEquals(Double.POSITIVE_INFINITY, epsilon.renyi());
    assertEquals(1, Accountant.of(run).delta(50));
    assertThrows(IllegalArgumentException.class, () -> run.withNoiseMultiplier(1));
  }
}
