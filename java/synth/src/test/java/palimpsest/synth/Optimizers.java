package palimpsest.synth;

import java.util.List;
import palimpsest.engine.kernel.Optimizer;

/** Every optimizer, with and without what it may have. */
final class Optimizers {
  static final List<OptimizerSpec> ALL =
      List.of(
          spec(new Optimizer.Sgd(1e-2, 0, 0)),
          spec(new Optimizer.Sgd(1e-2, 0.9, 0.1)),
          spec(new Optimizer.Adam(1e-2, 0.9, 0.99, 1e-8, 0.1)),
          adamW(1e-2),
          spec(new Optimizer.AdamW(1e-2, 0.9, 0.95, 1e-8, 0.1)),
          spec(Optimizer.Adafactor.of(1e-2)),
          spec(new Optimizer.Adafactor(1e-2, 0.9, 0.8, 1e-30, 1)));

  private Optimizers() {}

  static OptimizerSpec adamW(double rate) {
    return spec(new Optimizer.AdamW(rate, 0.9, 0.99, 1e-8, 0));
  }

  private static OptimizerSpec spec(Optimizer.Settings settings) {
    return new OptimizerSpec(settings, Schedule.LINEAR, 1, 0.1);
  }
}
