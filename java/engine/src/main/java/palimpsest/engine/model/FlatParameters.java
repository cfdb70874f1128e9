package palimpsest.engine.model;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What training moves of a model. All parameters lie in one flat vector, so that an example's
 * gradient, the clipped sum, the noise and the optimizer see nothing else: what is not in the
 * vector is not trained, and what is in it is clipped as a whole.
 */
public abstract sealed class FlatParameters permits Trainable, LabelModel {
  private final Tensor parameters;
  private final long size;

  FlatParameters(Kernels kernels, long size, TensorArena arena) {
    this.size = size;
    parameters = arena.allocate(kernels.wide(), size);
  }

  /** Hands the present parameters to the kernels; call it after every change. */
  public abstract void pack();

  /** P, the number of parameters. */
  public final long size() {
    return size;
  }

  /** All parameters, wide [P]. After a change call {@link #pack}. */
  public final Tensor parameters() {
    return parameters;
  }

  /** Whether every parameter is a finite number. */
  public final boolean isFinite() {
    for (long i = 0; i < size; i++) {
      if (!Double.isFinite(parameters.get(i))) {
        return false;
      }
    }
    return true;
  }
}
