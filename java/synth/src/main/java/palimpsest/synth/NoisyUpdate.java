package palimpsest.synth;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;

/**
 * What becomes of a step's clipped sum: noise is added and the parameters are updated, piece by
 * piece, so that all weights of a model go through the memory once. An element's noise follows from
 * its number, so neither the pieces nor the workers change any.
 */
public final class NoisyUpdate {
  /** Elements that stay in a processor's cache from the noise to the update. */
  static final int PIECE = 1 << 17;

  /** What is made of noisy sums: post-processing, whatever it does. */
  @FunctionalInterface
  public interface Update {
    /**
     * Called from several threads, once for every piece.
     *
     * @param sums [n], a piece: clipped gradients and noise, in grid steps
     * @param first number of its first element
     */
    void apply(Tensor sums, long first);
  }

  private final Kernels kernels;
  private final Workers workers;
  private final SecretKey key;
  private final NoiseStream noise;

  /**
   * @param key of the run; each step has the next of its chain
   */
  public NoisyUpdate(Kernels kernels, Workers workers, SecretKey key) {
    this.kernels = kernels;
    this.workers = workers;
    this.key = key;
    noise = new NoiseStream(key);
  }

  /**
   * Adds rounded Gaussian integers, by the kernel where it can round surely and exactly elsewhere,
   * and updates.
   *
   * @param sums I64 or modulo 2^32 I32 [P]; noisy afterwards
   * @param sigmaGrid standard deviation of the noise in grid steps, 0 for none
   * @param step number of the step; a (key, step) may be used once
   */
  public void run(Tensor sums, double sigmaGrid, long step, Update update) {
    workers.overPieces(
        sums.size(),
        PIECE,
        (first, count) -> {
          Tensor piece = sums.part(first, count);
          if (sigmaGrid != 0) {
            addNoise(piece, first, sigmaGrid, step);
          }
          update.apply(piece, first);
        });
  }

  private void addNoise(Tensor piece, long first, double sigmaGrid, long step) {
    kernels
        .noise()
        .accumulate(
            piece,
            first,
            key.words(),
            step,
            sigmaGrid,
            element -> {
              long at = element - first;
              piece.setLong(at, piece.getLong(at) + noise.exact(element, step, sigmaGrid));
            });
  }
}
