package palimpsest.privacy;

import java.math.BigDecimal;
import java.util.OptionalDouble;

/**
 * How the gradient of one record is brought to a norm of at most the clip norm C. Under every rule
 * what a record adds to a sum has a norm of at most C, verified in integers, so that a step is the
 * same Gaussian mechanism; {@link Quantile} makes a second query, and pays for it.
 */
public sealed interface ClipRule {
  /** The whole gradient is scaled by min(1, C / norm) (Abadi et al. 2016). */
  record Flat() implements ClipRule {
    @Override
    public String id() {
      return "flat";
    }

    @Override
    public String words() {
      return "flat: the whole of a record's gradient is held to the bound";
    }
  }

  /**
   * Each of G groups of parameters, one for each block of the model, is scaled by itself to a norm
   * of at most C / sqrt(G) (McMahan et al. 2018): together at most C.
   */
  record PerLayer() implements ClipRule {
    @Override
    public String id() {
      return "per-layer";
    }

    @Override
    public String words() {
      return "per layer: each of the G groups of a record's gradient is held to the bound over sqrt(G)";
    }
  }

  /**
   * The whole gradient is scaled by C / (norm + gamma) (AUTO-S, Bu, Wang, Zha and Karypis 2022).
   *
   * @param gamma public, in units of the gradient, 1e-6 to 1e6
   */
  record Automatic(double gamma) implements ClipRule {
    public Automatic {
      requireRange("gamma", gamma, 1e-6, 1e6);
    }

    @Override
    public String id() {
      return "automatic";
    }

    @Override
    public String words() {
      return "automatic: the whole of a record's gradient is scaled by bound / (norm + "
          + gamma
          + ")";
    }
  }

  /**
   * As {@link Flat}, but C moves from step to step towards a quantile of the norms of the records
   * that are drawn (Andrew, Thakkar, McMahan and Ramaswamy 2021). With b_i = 1 for a drawn record
   * whose norm is at most C and 0 for any other, the sum of b_i - 1/2 over the drawn records is a
   * query of sensitivity 1/2, released with rounded Gaussian noise and divided by the fixed
   * expected batch; C follows from these noisy numbers alone.
   *
   * <p>Sum and count of a step are one Gaussian mechanism: in units of their noise a record moves
   * them by at most the root of 1 / sumNoise^2 + 1 / (2 countNoise)^2. The noise multiplier of a
   * {@link MechanismSpec}, by which a step is priced, is the one that this is the inverse of; the
   * sum has the larger {@link #sumNoise}.
   *
   * @param quantile the share of records whose norm C is to be no smaller than, in (0, 1)
   * @param rate eta: C is multiplied by exp(-eta (share - quantile)) after a step; in (0, 1]
   * @param countNoise standard deviation of the noise on the count, in records, at most 2^31; 0:
   *     the exact count, in runs without privacy alone; empty: not settled yet
   */
  record Quantile(double quantile, double rate, OptionalDouble countNoise) implements ClipRule {
    /** C stays in this range, whatever the counts are. */
    public static final double MIN_NORM = 1e-6;

    public static final double MAX_NORM = 1e6;

    public Quantile {
      requireRange("quantile", quantile, Math.nextUp(0.0), Math.nextDown(1.0));
      requireRange("rate", rate, Math.nextUp(0.0), 1);
      countNoise.ifPresent(noise -> requireRange("count noise", noise, 0, 0x1p31));
    }

    /** The same rule with this noise on its counts. */
    public Quantile settled(double noise) {
      return new Quantile(quantile, rate, OptionalDouble.of(noise));
    }

    /**
     * Standard deviation of the noise on {@link #next}'s balance, which counts in halves of a
     * record and so has sensitivity 1.
     *
     * @throws java.util.NoSuchElementException if it is not settled
     */
    public double balanceNoise() {
      return 2 * countNoise.getAsDouble();
    }

    /**
     * The noise multiplier of the sum for which sum and count together cost no more than one
     * Gaussian of another multiplier: not less than 1 / sqrt(1 / sigma^2 - 1 / (2 countNoise)^2),
     * which is checked without rounding.
     *
     * @param sigma what a step is priced by, positive
     * @throws IllegalArgumentException if the count alone costs as much, or nearly
     */
    double sumNoise(double sigma) {
      double count = balanceNoise();
      double sum = sigma * (count / (Math.sqrt(count - sigma) * Math.sqrt(count + sigma)));
      if (!(count > sigma) || !(sum < Double.MAX_VALUE)) {
        throw new IllegalArgumentException(
            "the noise on the count is "
                + countNoise.getAsDouble()
                + " records, which leaves no noise to the sum; it must be above "
                + sigma / 2);
      }
      while (!isCovered(sum, count, sigma)) {
        sum = Math.nextUp(sum);
      }
      return sum;
    }

    /** 1 / sum^2 + 1 / count^2 <= 1 / sigma^2, exactly: doubles are decimal fractions. */
    private static boolean isCovered(double sum, double count, double sigma) {
      BigDecimal c = new BigDecimal(count).pow(2);
      BigDecimal s = new BigDecimal(sigma).pow(2);
      return new BigDecimal(sum).pow(2).multiply(c.subtract(s)).compareTo(c.multiply(s)) >= 0;
    }

    /**
     * C of the next step.
     *
     * @param clipNorm of this one
     * @param balance the drawn records whose norm is at most C, less the others, with its noise
     * @param expectedBatch the fixed divisor
     */
    public double next(double clipNorm, long balance, long expectedBatch) {
      double share = 0.5 + balance / (2.0 * expectedBatch);
      double moved = clipNorm * StrictMath.exp(-rate * (share - quantile));
      return Math.clamp(moved, MIN_NORM, MAX_NORM);
    }

    @Override
    public String id() {
      return "quantile";
    }

    @Override
    public String words() {
      String noise =
          countNoise.isPresent() && countNoise.getAsDouble() > 0
              ? "noise of " + countNoise.getAsDouble() + " records and is charged"
              : "no noise";
      return "quantile: the whole of a record's gradient is held to the bound C, which follows the "
          + quantile
          + " quantile of norms at a rate of "
          + rate
          + " by a count at each step; the count has "
          + noise;
    }
  }

  /** As on the command line. */
  String id();

  /** In one sentence, without a full stop. */
  String words();

  private static void requireRange(String what, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new IllegalArgumentException(
          "clip rule: " + what + " is " + value + ", must be " + least + " to " + most);
    }
  }
}
