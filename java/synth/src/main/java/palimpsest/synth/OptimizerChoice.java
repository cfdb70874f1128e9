package palimpsest.synth;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Optimizer;

/**
 * What the owner asks of the optimizer and its learning rate; what is left empty is settled by
 * {@link #settle}. All of it is public.
 *
 * @param learningRate peak of the schedule
 * @param momentum of SGD, or the decay of Adafactor's first moment; 0 keeps none
 * @param weightDecay see {@link Optimizer.Settings}
 * @param warmup steps over which the rate rises
 */
public record OptimizerChoice(
    Optional<OptimizerKind> kind,
    OptionalDouble learningRate,
    OptionalDouble momentum,
    OptionalDouble weightDecay,
    Optional<Schedule> schedule,
    OptionalInt warmup) {
  /** The share of the peak that a rate falls to. */
  private static final double LAST = 0.1;

  private static final double BETA1 = 0.9;
  private static final double EPSILON = 1e-8;

  /**
   * What is taken where nothing is asked for.
   *
   * @param learningRate of every optimizer that normalises its updates: SGD has no rate that would
   *     suit any sum
   * @param beta2 of Adam and AdamW
   * @param weightDecay of AdamW; the others have none unless asked
   */
  public record Standard(
      OptimizerKind kind,
      double learningRate,
      double beta2,
      double weightDecay,
      Schedule schedule,
      int warmup) {}

  /** Nothing is asked for. */
  public static OptimizerChoice none() {
    return new OptimizerChoice(
        Optional.empty(),
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        Optional.empty(),
        OptionalInt.empty());
  }

  /** That optimizer, at that rate if there is one. */
  public static OptimizerChoice of(OptimizerKind kind, OptionalDouble learningRate) {
    return new OptimizerChoice(
        Optional.of(kind),
        learningRate,
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        Optional.empty(),
        OptionalInt.empty());
  }

  /**
   * The optimizer with everything settled.
   *
   * @throws IllegalArgumentException if a setting is of another optimizer, out of range, or missing
   *     where there is no default
   */
  public OptimizerSpec settle(Standard standard) {
    OptimizerKind settled = kind.orElse(standard.kind());
    require(momentum.isEmpty() || settled.hasMomentum, settled, "momentum");
    require(weightDecay.isEmpty() || settled.hasDecay, settled, "weight decay");
    if (settled == OptimizerKind.SGD && learningRate.isEmpty()) {
      throw new IllegalArgumentException(
          "sgd has no learning rate that suits everything: give one");
    }
    double rate = learningRate.orElse(standard.learningRate());
    double beta1 = momentum.orElse(0);
    double decay = weightDecay.orElse(settled == OptimizerKind.ADAMW ? standard.weightDecay() : 0);
    Optimizer.Settings settings =
        switch (settled) {
          case SGD -> new Optimizer.Sgd(rate, beta1, decay);
          case ADAM -> new Optimizer.Adam(rate, BETA1, standard.beta2(), EPSILON, decay);
          case ADAMW -> new Optimizer.AdamW(rate, BETA1, standard.beta2(), EPSILON, decay);
          case ADAFACTOR -> {
            Optimizer.Adafactor paper = Optimizer.Adafactor.of(rate);
            yield new Optimizer.Adafactor(
                rate, beta1, paper.decay(), paper.epsilon(), paper.threshold());
          }
        };
    return new OptimizerSpec(
        settings, schedule.orElse(standard.schedule()), warmup.orElse(standard.warmup()), LAST);
  }

  private static void require(boolean has, OptimizerKind kind, String setting) {
    if (!has) {
      throw new IllegalArgumentException(kind.id() + " has no " + setting + " to be set");
    }
  }
}
