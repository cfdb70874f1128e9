package palimpsest.synth;

import palimpsest.engine.kernel.Optimizer;

/**
 * An optimizer and how its learning rate goes: public choices that shape the result but not the
 * guarantee.
 *
 * @param settings with the peak of the schedule as their rate
 * @param schedule how the rate goes on after the warm-up
 * @param warmup steps over which the rate rises from 0 to its peak
 * @param last the share of the peak that the rate falls to, unless it stays
 */
public record OptimizerSpec(
    Optimizer.Settings settings, Schedule schedule, int warmup, double last) {
  /** Rates of SGD are in the units of gradients, so larger ones can make sense. */
  private static final double MAX_SGD_RATE = 1e6;

  /** Checks every part. */
  public OptimizerSpec {
    double most = settings instanceof Optimizer.Sgd ? MAX_SGD_RATE : 1;
    double rate = settings.learningRate();
    if (!(rate > 0 && rate < most)) {
      throw new IllegalArgumentException(
          "the learning rate must be in (0, " + most + "), not " + rate);
    }
    if (!(settings.weightDecay() >= 0 && settings.weightDecay() < 1)) {
      throw new IllegalArgumentException(
          "the weight decay must be in [0, 1), not " + settings.weightDecay());
    }
    if (!(momentum(settings) >= 0 && momentum(settings) < 1)) {
      throw new IllegalArgumentException(
          "the momentum must be in [0, 1), not " + momentum(settings));
    }
    if (warmup < 0 || !(last >= 0 && last <= 1)) {
      throw new IllegalArgumentException(
          "the warm-up must be 0 or more steps, the last share of the rate in [0, 1]");
    }
  }

  /** Which optimizer. */
  public OptimizerKind kind() {
    return OptimizerKind.of(settings);
  }

  /** Peak of the schedule. */
  public double learningRate() {
    return settings.learningRate();
  }

  /** Decay of the first moment. */
  public double momentum() {
    return momentum(settings);
  }

  private static double momentum(Optimizer.Settings settings) {
    return switch (settings) {
      case Optimizer.Sgd sgd -> sgd.momentum();
      case Optimizer.Adaptive adaptive -> adaptive.beta1();
      case Optimizer.Adafactor adafactor -> adafactor.beta1();
    };
  }

  /** The settings in a step (from 1) of so many. */
  Optimizer.Settings at(long step, long steps) {
    return settings.withLearningRate(learningRate() * schedule.share(step, steps, warmup, last));
  }
}
