package palimpsest.synth;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.Role;

/**
 * What is tuned and how: public choices that shape the result but not the guarantee.
 *
 * @param rank r of the adapters
 * @param alpha the adapters' scale is alpha / r
 * @param targets the linear layers that get one, the same in every block; empty: all
 * @param learningRate peak of the schedule
 * @param warmup steps over which the rate rises from 0 to its peak
 * @param finalRate the rate falls linearly to this share of the peak at the last step
 * @param gridBits the clip norm is 2^gridBits grid steps
 */
public record TuningSpec(
    int rank,
    double alpha,
    Set<Role> targets,
    double learningRate,
    int warmup,
    double finalRate,
    int gridBits) {
  public TuningSpec {
    // In the order of the enum, the same in every process: resumed runs compare the words of this.
    targets = targets.isEmpty() ? Set.of() : Collections.unmodifiableSet(EnumSet.copyOf(targets));
    if (!targets.stream().allMatch(Role::isLinear)) {
      throw new IllegalArgumentException("adapters go on linear layers, not on " + targets);
    }
    if (rank < 1 || rank > 256) {
      throw new IllegalArgumentException("the adapter rank must be 1 to 256, not " + rank);
    }
    if (!(alpha > 0 && alpha <= 1e4)) {
      throw new IllegalArgumentException("the adapter's alpha must be positive, not " + alpha);
    }
    if (!(learningRate > 0 && learningRate < 1)) {
      throw new IllegalArgumentException(
          "the learning rate must be in (0, 1), not " + learningRate);
    }
    if (warmup < 0 || !(finalRate >= 0 && finalRate <= 1)) {
      throw new IllegalArgumentException(
          "the warm-up must be 0 or more steps, the final rate in [0, 1]");
    }
  }

  /** The layers that get an adapter in a model of this configuration. */
  Set<Role> targets(DecoderConfig model) {
    return targets.isEmpty() ? Adapter.linearRoles(model) : targets;
  }

  /**
   * AdamW's settings in a step (from 1) of so many. Decay is off: noise already holds the weights
   * small.
   */
  Optimizer.AdamW optimizer(long step, long steps) {
    double rate =
        step <= warmup
            ? (double) step / (warmup + 1)
            : 1 - (1 - finalRate) * (step - warmup) / Math.max(1, steps - warmup);
    return new Optimizer.AdamW(learningRate * rate, 0.9, 0.99, 1e-8, 0);
  }
}
