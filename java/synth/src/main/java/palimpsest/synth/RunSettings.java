package palimpsest.synth;

import java.time.Duration;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import palimpsest.engine.model.TuningMethod;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;

/**
 * What the owner asks of a training run. All of it is public. What is left empty follows by the
 * rule of {@link RunPlan} from the size bound, the longest text, the model's size and the time
 * allowed, never from the records.
 *
 * @param goal what is to be guaranteed, and for whom
 * @param sizeBound public bound of the number of records
 * @param maxTokens fixed longest record, prefix and end token included; what is over is cut.
 *     Virtual tokens of a soft prompt are not counted
 * @param expectedTokens public guess of a record's mean length, prefix included; empty: half of the
 *     longest
 * @param time how long training may take on a machine of two ordinary cores
 * @param clipNorm C, that of the first step where the rule moves it
 * @param method which parameters are trained, and its own settings
 * @param optimizer what moves them, and how fast
 * @param labelNoise standard deviation, in records, of the noise on the number of records of each
 *     label, if that is to be released, so that synthetic labels have the shares of the private
 *     ones
 * @param clipRule how gradients are clipped; where it counts records and the noise of that is left
 *     empty, the plan settles it
 */
public record RunSettings(
    Goal goal,
    long sizeBound,
    int maxTokens,
    OptionalInt expectedTokens,
    Duration time,
    double clipNorm,
    TuningMethod method,
    OptionalLong expectedBatch,
    OptionalInt steps,
    OptimizerChoice optimizer,
    OptionalDouble labelNoise,
    ClipRule clipRule) {

  /** With flat clipping. */
  public RunSettings(
      Goal goal,
      long sizeBound,
      int maxTokens,
      OptionalInt expectedTokens,
      Duration time,
      double clipNorm,
      TuningMethod method,
      OptionalLong expectedBatch,
      OptionalInt steps,
      OptimizerChoice optimizer,
      OptionalDouble labelNoise) {
    this(
        goal,
        sizeBound,
        maxTokens,
        expectedTokens,
        time,
        clipNorm,
        method,
        expectedBatch,
        steps,
        optimizer,
        labelNoise,
        new ClipRule.Flat());
  }

  /**
   * What is to be guaranteed.
   *
   * @param epsilon target, positive; infinity trains without noise and stamps everything
   *     NON-PRIVATE
   * @param delta empty: sizeBound^-1.1, and at most 0.001
   * @param unit whom the guarantee protects
   * @param recordsPerUser the most records of one person; 1 when records are protected
   */
  public record Goal(
      NeighbouringRelation relation,
      double epsilon,
      OptionalDouble delta,
      ProtectedUnit unit,
      int recordsPerUser) {
    /** Checks epsilon. */
    public Goal {
      if (!(epsilon > 0)) {
        throw new IllegalArgumentException(
            "epsilon is " + epsilon + "; it must be above 0 (or inf, which is not private)");
      }
    }

    /** Adding or removing one record, at the default delta. */
    public static Goal of(double epsilon) {
      return new Goal(
          NeighbouringRelation.ADD_REMOVE,
          epsilon,
          OptionalDouble.empty(),
          ProtectedUnit.RECORD,
          1);
    }
  }

  /** The default delta of a small data set, for which sizeBound^-1.1 would promise too little. */
  private static final double DEFAULT_DELTA = 1e-3;

  /** Above this a guarantee that holds but with probability delta is none. */
  private static final double MAX_DELTA = 1e-2;

  private static final long MAX_SIZE_BOUND = 1_000_000_000_000L;
  private static final Duration MAX_TIME = Duration.ofDays(366);

  /** Clip norms outside this range leave float arithmetic no room and have no use. */
  private static final double MIN_CLIP_NORM = ClipRule.Quantile.MIN_NORM;

  private static final double MAX_CLIP_NORM = ClipRule.Quantile.MAX_NORM;

  private static final double MIN_LABEL_NOISE = 0.1;
  private static final double MAX_LABEL_NOISE = 1e9;

  /** Checks every part. */
  public RunSettings {
    if (sizeBound < 1 || sizeBound > MAX_SIZE_BOUND) {
      throw new IllegalArgumentException(
          "the size bound is " + sizeBound + "; it must be 1 to " + MAX_SIZE_BOUND);
    }
    goal.delta.ifPresent(delta -> requireMeaning(delta, sizeBound));
    if (!(clipNorm >= MIN_CLIP_NORM && clipNorm <= MAX_CLIP_NORM)) {
      throw new IllegalArgumentException(
          "the clip norm is "
              + clipNorm
              + "; it must be "
              + MIN_CLIP_NORM
              + " to "
              + MAX_CLIP_NORM);
    }
    if (maxTokens < 8 || maxTokens > 1 << 16) {
      throw new IllegalArgumentException(
          "the longest record is " + maxTokens + " tokens; it must be 8 to 65536");
    }
    if (expectedTokens.isPresent()
        && (expectedTokens.getAsInt() < 1 || expectedTokens.getAsInt() > maxTokens)) {
      throw new IllegalArgumentException(
          "the expected length is "
              + expectedTokens.getAsInt()
              + " tokens; it must be 1 to the longest record's "
              + maxTokens);
    }
    if (time.isNegative() || time.isZero() || time.compareTo(MAX_TIME) > 0) {
      throw new IllegalArgumentException("the time allowed must be positive and at most a year");
    }
    labelNoise.ifPresent(RunSettings::requireLabelNoise);
  }

  private static void requireLabelNoise(double noise) {
    if (!(noise >= MIN_LABEL_NOISE && noise <= MAX_LABEL_NOISE)) {
      throw new IllegalArgumentException(
          "the noise on label counts is "
              + noise
              + " records; it must be "
              + MIN_LABEL_NOISE
              + " to "
              + MAX_LABEL_NOISE);
    }
  }

  private static void requireMeaning(double delta, long sizeBound) {
    double largest = Math.min(MAX_DELTA, 1.0 / sizeBound);
    if (!(delta > 0 && delta < largest)) {
      throw new IllegalArgumentException(
          "delta is "
              + delta
              + "; it must be above 0 and below "
              + largest
              + ", the smaller of 0.01 and 1 / size bound");
    }
  }

  /** The same with another rule of clipping. */
  public RunSettings withClipRule(ClipRule other) {
    return new RunSettings(
        goal,
        sizeBound,
        maxTokens,
        expectedTokens,
        time,
        clipNorm,
        method,
        expectedBatch,
        steps,
        optimizer,
        labelNoise,
        other);
  }

  /** Target epsilon over that many records, everything else by default. */
  public static RunSettings of(double epsilon, long sizeBound) {
    return new RunSettings(
        Goal.of(epsilon),
        sizeBound,
        96,
        OptionalInt.empty(),
        Duration.ofMinutes(10),
        1,
        TuningMethod.Lora.of(8),
        OptionalLong.empty(),
        OptionalInt.empty(),
        OptimizerChoice.none(),
        OptionalDouble.empty());
  }

  /** The delta in force. */
  double delta() {
    return goal.delta.orElseGet(() -> Math.min(Math.pow(sizeBound, -1.1), DEFAULT_DELTA));
  }
}
