package palimpsest.privacy;

import java.math.BigInteger;
import java.util.Objects;

/**
 * The settings of one training run that bear on privacy, and no others: each step draws a Poisson
 * sample, sums clipped per-record gradients and adds Gaussian noise.
 *
 * <p>The sampling rate is never a floating-point number: a record is in a batch exactly when a
 * uniform 64-bit word, read as an unsigned integer, is below {@code samplingThreshold}, so that the
 * rate is the rational {@code samplingThreshold / 2^64}. The threshold 2^64 (every record in every
 * batch) is stored as its low 64 bits, {@code 0}; rate 0 does not exist. Use {@link #includes} or
 * {@link #samplesEveryRecord} rather than comparing by hand.
 *
 * <p>A run without noise is not a limit of a private one: it is made by {@link #nonPrivate} alone,
 * holds {@code nonPrivate == true} and noise multiplier 0, and its epsilon is infinite by
 * definition.
 *
 * @param relation which data sets count as neighbours
 * @param noiseMultiplier standard deviation of the noise over the clip norm C, under both
 *     relations, by which a step is priced; positive and finite, or 0 when {@code nonPrivate}. The
 *     noise that the sum has is {@link #sumNoiseMultiplier}
 * @param clipNorm bound C of the L2 norm of one record's gradient, of the first step where the rule
 *     moves it; positive; finite unless {@code nonPrivate}
 * @param samplingThreshold inclusion threshold as an unsigned 64-bit integer, 0 standing for 2^64
 * @param steps number of noisy updates, at least 1; an integer of the configuration, never derived
 *     from a rate
 * @param delta probability mass of the guarantee that epsilon does not bound, inside (0, 1)
 * @param expectedBatch expected number of records in a batch, the fixed divisor of the summed
 *     gradient; at least 1
 * @param unit whose presence is protected; it says what the guarantee is about, so it never follows
 *     from a number
 * @param recordsPerUser records that one protected unit may own: 1 when the unit is a record; at
 *     most {@link #MOST_RECORDS_PER_USER} when it is a user, whose surplus records were dropped by
 *     a rule that does not look at the data
 * @param nonPrivate true only for a run without noise
 * @param clipRule how gradients are clipped; one that counts records has its noise settled
 */
public record MechanismSpec(
    NeighbouringRelation relation,
    double noiseMultiplier,
    double clipNorm,
    long samplingThreshold,
    int steps,
    double delta,
    long expectedBatch,
    ProtectedUnit unit,
    int recordsPerUser,
    boolean nonPrivate,
    ClipRule clipRule) {
  /** The price of more takes minutes, and no noise that trains a model protects so many. */
  public static final int MOST_RECORDS_PER_USER = 1000;

  /**
   * Checks every component; throws {@link IllegalArgumentException} naming the first that is out of
   * its range.
   */
  public MechanismSpec {
    Objects.requireNonNull(relation, "relation");
    Objects.requireNonNull(unit, "unit");
    Objects.requireNonNull(clipRule, "clipRule");
    if (nonPrivate) {
      require(noiseMultiplier == 0, "noise multiplier", noiseMultiplier, "0 in a non-private run");
      require(clipNorm > 0, "clip norm", clipNorm, "positive");
    } else {
      require(
          isPositiveFinite(noiseMultiplier),
          "noise multiplier",
          noiseMultiplier,
          "positive and finite");
      require(isPositiveFinite(clipNorm), "clip norm", clipNorm, "positive and finite");
    }
    require(steps >= 1, "steps", steps, "at least 1");
    require(
        delta >= PrivacyLoss.MIN_DELTA && delta < 1,
        "delta",
        delta,
        "at least " + PrivacyLoss.MIN_DELTA + " and below 1");
    require(expectedBatch >= 1, "expected batch", expectedBatch, "at least 1");
    require(
        recordsPerUser >= 1 && recordsPerUser <= MOST_RECORDS_PER_USER,
        "records per user",
        recordsPerUser,
        "1 to " + MOST_RECORDS_PER_USER);
    require(
        unit == ProtectedUnit.USER || recordsPerUser == 1,
        "records per user",
        recordsPerUser,
        "1 when the protected unit is a record");
    if (clipRule instanceof ClipRule.Quantile rule) {
      requireCount(rule, noiseMultiplier, clipNorm, nonPrivate);
    }
  }

  private static void requireCount(
      ClipRule.Quantile rule, double noiseMultiplier, double clipNorm, boolean nonPrivate) {
    require(rule.countNoise().isPresent(), "count noise", "not settled", "settled");
    require(
        clipNorm >= ClipRule.Quantile.MIN_NORM && clipNorm <= ClipRule.Quantile.MAX_NORM,
        "clip norm",
        clipNorm,
        ClipRule.Quantile.MIN_NORM + " to " + ClipRule.Quantile.MAX_NORM + " where it moves");
    if (!nonPrivate) {
      rule.sumNoise(noiseMultiplier);
    }
  }

  /**
   * A private run at record level, with flat clipping, whose sampling rate is expectedBatch /
   * sizeBound, rounded down to a multiple of 2^-64.
   *
   * @param sizeBound public nominal size of the data set, at least {@code expectedBatch}
   */
  public static MechanismSpec of(
      NeighbouringRelation relation,
      double noiseMultiplier,
      double clipNorm,
      long expectedBatch,
      long sizeBound,
      int steps,
      double delta) {
    return new MechanismSpec(
        relation,
        noiseMultiplier,
        clipNorm,
        thresholdFor(expectedBatch, sizeBound),
        steps,
        delta,
        expectedBatch,
        ProtectedUnit.RECORD,
        1,
        false,
        new ClipRule.Flat());
  }

  /**
   * A run at record level without noise: epsilon is infinite. Same sampling as {@link #of};
   * clipNorm may be infinite.
   */
  public static MechanismSpec nonPrivate(
      NeighbouringRelation relation,
      double clipNorm,
      long expectedBatch,
      long sizeBound,
      int steps,
      double delta) {
    return new MechanismSpec(
        relation,
        0,
        clipNorm,
        thresholdFor(expectedBatch, sizeBound),
        steps,
        delta,
        expectedBatch,
        ProtectedUnit.RECORD,
        1,
        true,
        new ClipRule.Flat());
  }

  /**
   * floor(expectedBatch 2^64 / sizeBound), computed in integers, as the unsigned threshold of this
   * type (0 when the two are equal, which stands for 2^64).
   */
  public static long thresholdFor(long expectedBatch, long sizeBound) {
    require(expectedBatch >= 1, "expected batch", expectedBatch, "at least 1");
    require(
        sizeBound >= expectedBatch,
        "size bound",
        sizeBound,
        "at least the expected batch " + expectedBatch);
    return BigInteger.valueOf(expectedBatch)
        .shiftLeft(64)
        .divide(BigInteger.valueOf(sizeBound))
        .longValue();
  }

  /** Whether the sampling rate is exactly 1. */
  public boolean samplesEveryRecord() {
    return samplingThreshold == 0;
  }

  /** Whether the record that drew the uniform 64-bit {@code word} is in the batch. */
  public boolean includes(long word) {
    return samplingThreshold == 0 || Long.compareUnsigned(word, samplingThreshold) < 0;
  }

  /**
   * The sampling rate as the smallest double that is not below samplingThreshold / 2^64, so that it
   * is safe to use.
   */
  public double samplingRate() {
    if (samplesEveryRecord()) {
      return 1;
    }
    int drop = Math.max(0, 11 - Long.numberOfLeadingZeros(samplingThreshold));
    long kept = samplingThreshold >>> drop;
    if ((kept << drop) != samplingThreshold) {
      kept++;
    }
    return Math.scalb((double) kept, drop - 64);
  }

  /**
   * Standard deviation of the noise on the sum of gradients over the clip norm: the noise
   * multiplier, or more where a count takes part of what a step costs.
   */
  public double sumNoiseMultiplier() {
    return clipRule instanceof ClipRule.Quantile rule && !nonPrivate
        ? rule.sumNoise(noiseMultiplier)
        : noiseMultiplier;
  }

  /** The same run, at the same price, with another rule of clipping. */
  public MechanismSpec withClipRule(ClipRule other) {
    return copy(noiseMultiplier, steps, unit, recordsPerUser, nonPrivate, other);
  }

  /** The same run with another noise multiplier. */
  public MechanismSpec withNoiseMultiplier(double other) {
    return copy(other, steps, unit, recordsPerUser, nonPrivate, clipRule);
  }

  /** The same run with another number of steps. */
  public MechanismSpec withSteps(int other) {
    return copy(noiseMultiplier, other, unit, recordsPerUser, nonPrivate, clipRule);
  }

  /** The same run protecting another unit, which owns at most {@code otherRecords} records. */
  public MechanismSpec withUnit(ProtectedUnit otherUnit, int otherRecords) {
    return copy(noiseMultiplier, steps, otherUnit, otherRecords, nonPrivate, clipRule);
  }

  /** What a run is whose noise somebody may know. */
  MechanismSpec withoutNoise() {
    return copy(0, steps, unit, recordsPerUser, true, clipRule);
  }

  private MechanismSpec copy(
      double noiseMultiplier,
      int steps,
      ProtectedUnit unit,
      int recordsPerUser,
      boolean nonPrivate,
      ClipRule clipRule) {
    return new MechanismSpec(
        relation,
        noiseMultiplier,
        clipNorm,
        samplingThreshold,
        steps,
        delta,
        expectedBatch,
        unit,
        recordsPerUser,
        nonPrivate,
        clipRule);
  }

  private static boolean isPositiveFinite(double value) {
    return value > 0 && value < Double.POSITIVE_INFINITY;
  }

  private static void require(boolean holds, String what, Object value, String range) {
    if (!holds) {
      throw new IllegalArgumentException(
          "mechanism: " + what + " is " + value + ", must be " + range);
    }
  }
}
