package palimpsest.synth;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.train.VectorSum;

/**
 * Gradients of canaries: each has a coordinate of its own and pushes it as far as clipping lets it,
 * which is the strongest contribution that a record can make (a Dirac canary, Nasr et al. 2023).
 */
final class CanaryGradients implements ExampleGradients {
  /** Far above every clip norm that a run may have. */
  private static final double PUSH = 1e9;

  private final TokenGroup group;
  private final Tensor gradient;

  /**
   * @param size P, the number of coordinates and the most canaries
   */
  CanaryGradients(Kernels kernels, long size, TensorArena arena) {
    group = new TokenGroup(256, 256, kernels.wide(), arena);
    gradient = arena.allocate(kernels.wide(), size);
  }

  /** The canary that pushes a coordinate, as an example: one row that reads the coordinate. */
  static Example canary(int coordinate) {
    return new Example(new int[] {coordinate, 0}, 0);
  }

  @Override
  public TokenGroup group() {
    return group;
  }

  @Override
  public long size() {
    return gradient.size();
  }

  @Override
  public void accumulate(ClippedSum sum) {
    VectorSum vectors = VectorSum.of(sum);
    for (int e = 0; e < group.examples(); e++) {
      vectors.add(gradient(e));
    }
  }

  private Tensor gradient(int example) {
    gradient.data().fill((byte) 0);
    gradient.set((long) group.ids().get(group.rowStart(example)), PUSH);
    return gradient;
  }
}
