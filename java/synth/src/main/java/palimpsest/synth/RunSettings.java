package palimpsest.synth;

import java.time.Duration;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import palimpsest.privacy.NeighbouringRelation;

/**
 * What the owner asks of a training run. All of it is public. What is left empty follows by the
 * rule of {@link RunPlan} from the size bound, the longest text, the model's size and the time
 * allowed, never from the records.
 *
 * @param epsilon target, positive; infinity trains without noise and stamps everything NON-PRIVATE
 * @param delta empty: sizeBound^-1.1
 * @param sizeBound public bound of the number of records
 * @param maxTokens fixed longest record, prefix and end token included; what is over is cut
 * @param time how long training may take on a machine of two ordinary cores
 * @param clipNorm C
 * @param recordsPerUser the most records of one person, whom the guarantee then protects; 1
 *     protects records
 */
public record RunSettings(
    NeighbouringRelation relation,
    double epsilon,
    OptionalDouble delta,
    long sizeBound,
    int maxTokens,
    Duration time,
    double clipNorm,
    int rank,
    int recordsPerUser,
    OptionalLong expectedBatch,
    OptionalInt steps,
    OptionalDouble learningRate) {
  public RunSettings {
    if (!(epsilon > 0)) {
      throw new IllegalArgumentException(
          "epsilon is " + epsilon + "; it must be above 0 (or inf, which is not private)");
    }
    if (sizeBound < 1) {
      throw new IllegalArgumentException(
          "the size bound is " + sizeBound + "; it must be at least 1");
    }
    if (delta.isPresent() && !(delta.getAsDouble() > 0 && delta.getAsDouble() < 1.0 / sizeBound)) {
      throw new IllegalArgumentException(
          "delta is "
              + delta.getAsDouble()
              + "; it must be above 0 and below 1 / size bound = "
              + 1.0 / sizeBound);
    }
    if (maxTokens < 8 || maxTokens > 1 << 16) {
      throw new IllegalArgumentException(
          "the longest record is " + maxTokens + " tokens; it must be 8 to 65536");
    }
    if (time.isNegative() || time.isZero()) {
      throw new IllegalArgumentException("the time allowed must be positive");
    }
  }

  /** Target epsilon over that many records, everything else by default. */
  public static RunSettings of(double epsilon, long sizeBound) {
    return new RunSettings(
        NeighbouringRelation.ADD_REMOVE,
        epsilon,
        OptionalDouble.empty(),
        sizeBound,
        96,
        Duration.ofMinutes(10),
        1,
        8,
        1,
        OptionalLong.empty(),
        OptionalInt.empty(),
        OptionalDouble.empty());
  }

  /** The delta in force. */
  public double deltaInForce() {
    return delta.orElseGet(() -> Math.min(Math.pow(sizeBound, -1.1), 0.5 / sizeBound));
  }
}
