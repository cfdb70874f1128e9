package palimpsest.synth;

import java.util.Locale;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.TuningMethod;

/** The optimizers that parameters can be trained by. */
public enum OptimizerKind {
  /** Stochastic gradient descent, with momentum if asked for. */
  SGD(true, true),
  /** Adam, with its decay in the gradient. */
  ADAM(false, true),
  /** Adam with decoupled decay. */
  ADAMW(false, true),
  /** Adafactor: factored second moments, little memory. */
  ADAFACTOR(true, false);

  /** Whether a first moment is one's choice. */
  final boolean hasMomentum;

  final boolean hasDecay;

  OptimizerKind(boolean hasMomentum, boolean hasDecay) {
    this.hasMomentum = hasMomentum;
    this.hasDecay = hasDecay;
  }

  /**
   * What a private run takes if nothing is asked for: where all weights are trained, memory counts.
   */
  public static OptimizerKind standard(TuningMethod method) {
    return method instanceof TuningMethod.Full ? ADAFACTOR : ADAMW;
  }

  /** Whose settings these are. */
  public static OptimizerKind of(Optimizer.Settings settings) {
    return switch (settings) {
      case Optimizer.Sgd _ -> SGD;
      case Optimizer.Adam _ -> ADAM;
      case Optimizer.AdamW _ -> ADAMW;
      case Optimizer.Adafactor _ -> ADAFACTOR;
    };
  }

  /** One word, as written in files and on the command line. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }
}
