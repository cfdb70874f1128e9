package palimpsest.engine.train;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.TensorArena;

/** Per-example gradients of few parameters of a decoder, or beside it. */
abstract class DecoderGradients extends SmallGradients {
  private final Decoder decoder;
  private final Trainable tuned;
  private final Activations activations;

  DecoderGradients(
      Decoder decoder,
      Trainable tuned,
      int maxRows,
      int maxExamples,
      boolean recompute,
      TensorArena arena) {
    Kernels kernels = decoder.kernels();
    super(
        kernels,
        tuned,
        new TokenGroup(maxRows, maxExamples, tuned.prompt(), kernels.wide(), arena),
        maxExamples,
        arena);
    this.decoder = decoder;
    this.tuned = tuned;
    activations =
        new Activations(
            decoder.config(), kernels, maxRows, maxRows, tuned.rank(), purpose(recompute), arena);
  }

  /** Bytes of one worker's buffers, but for some indices. */
  static long bytes(
      DecoderConfig config,
      Kernels kernels,
      TuningMethod method,
      int maxRows,
      int maxExamples,
      boolean recompute) {
    try (TensorArena arena = TensorArena.counting()) {
      new Activations(config, kernels, maxRows, maxRows, method.rank(), purpose(recompute), arena);
      return arena.bytes() + maxExamples * kernels.wide().bytes() * method.parameterCount(config);
    }
  }

  private static Activations.Purpose purpose(boolean recompute) {
    return recompute ? Activations.Purpose.RECOMPUTE : Activations.Purpose.BACKWARD;
  }

  @Override
  final void pass() {
    decoder.forward(group(), tuned, activations);
    decoder.backward(group(), tuned, activations, this);
  }

  @Override
  final double loss() {
    return activations.loss(group());
  }

  /** The buffers of the pass, for tests. */
  final Activations activations() {
    return activations;
  }

  @Override
  final void poison() {
    super.poison();
    activations.poison();
  }
}
