package palimpsest.synth;

import palimpsest.engine.tensor.DType;

/**
 * Settings that bear on speed and memory only. None of them can change epsilon, and apart from
 * {@code compute} none can change a bit of a private result; without clipping, where floats are
 * added, the group's size can.
 *
 * @param compute type of the matrix products: BF16, F32, or F64 for the reference
 * @param workers threads
 * @param groupRows the most tokens a worker takes through the model at a time
 * @param groupExamples the most examples a worker takes at a time
 * @param streams texts sampled side by side
 * @param recompute keeps of each block its input alone and computes the rest again on the way back:
 *     the same bits in less memory and more time; not where the model's own weights are trained
 */
public record ExecutionSpec(
    DType compute, int workers, int groupRows, int groupExamples, int streams, boolean recompute) {
  public ExecutionSpec {
    if (compute != DType.BF16 && compute != DType.F32 && compute != DType.F64) {
      throw new IllegalArgumentException("matrix products are in BF16, F32 or F64, not " + compute);
    }
    if (workers < 1 || groupRows < 1 || groupExamples < 1 || streams < 1) {
      throw new IllegalArgumentException("workers, group sizes and streams must be positive");
    }
  }

  /** Without computing anything again. */
  public ExecutionSpec(DType compute, int workers, int groupRows, int groupExamples, int streams) {
    this(compute, workers, groupRows, groupExamples, streams, false);
  }

  /**
   * As many workers as processors; groups of 256 tokens in 8 examples, which fit the caches and the
   * memory of a laptop: a worker has room for the gradients of so many examples from the start.
   */
  public static ExecutionSpec defaults() {
    int workers = Runtime.getRuntime().availableProcessors();
    return new ExecutionSpec(DType.BF16, workers, 256, 8, 64 * workers);
  }

  /** The same arithmetic, shared out in another way. */
  ExecutionSpec with(int otherWorkers, int rows, int examples, int otherStreams) {
    return new ExecutionSpec(compute, otherWorkers, rows, examples, otherStreams, recompute);
  }

  /** With groups that hold at least one example of the given length. */
  public ExecutionSpec forLength(int maxTokens) {
    return new ExecutionSpec(
        compute, workers, Math.max(groupRows, maxTokens), groupExamples, streams, recompute);
  }

  /** The same, with activations computed again or kept. */
  public ExecutionSpec withRecompute(boolean recompute) {
    return new ExecutionSpec(compute, workers, groupRows, groupExamples, streams, recompute);
  }
}
