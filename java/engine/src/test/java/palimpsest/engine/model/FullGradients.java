package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Every example's gradient by every parameter, in the open: what clever ways to norms and sums are
 * checked against. A tied output layer adds to the embedding.
 */
public final class FullGradients implements ParameterGradients {
  private record Place(Role role, int layer, boolean bias) {}

  private final DecoderConfig config;
  private final Kernels kernels;
  private final TokenGroup group;
  private final List<Map<Place, Tensor>> examples = new ArrayList<>();

  /** Of as many examples as the group has now. */
  public FullGradients(Decoder decoder, TokenGroup group, TensorArena arena) {
    config = decoder.config();
    kernels = decoder.kernels();
    this.group = group;
    for (int e = 0; e < group.examples(); e++) {
      Map<Place, Tensor> tensors = new HashMap<>();
      for (TensorNames.Slot slot : TensorNames.of(config).slots()) {
        long[] shape =
            slot.inputMajor() ? new long[] {slot.shape()[1], slot.shape()[0]} : slot.shape();
        tensors.put(
            new Place(slot.role(), slot.layer(), slot.bias()),
            arena.allocate(kernels.wide(), shape));
      }
      examples.add(tensors);
    }
  }

  /** An example's gradient by one tensor; null if the model has no such tensor. */
  Tensor gradient(int example, Role role, int layer, boolean bias) {
    return examples.get(example).get(new Place(role, layer, bias));
  }

  /** Squared L2 norm of an example's gradient by all tensors. */
  public double square(int example) {
    double sum = 0;
    for (Place place : examples.get(example).keySet()) {
      sum += square(example, place.role(), place.layer(), place.bias());
    }
    return sum;
  }

  /** An example's gradient by the tensors of a layout, in its order. */
  public double[] flat(int example, WeightLayout layout) {
    double[] flat = new double[Math.toIntExact(layout.size())];
    for (WeightLayout.Matrix matrix : layout.matrices()) {
      Tensor gradient = gradient(example, matrix.role(), matrix.layer(), false);
      for (int r = 0; r < matrix.rows(); r++) {
        for (int c = 0; c < matrix.cols(); c++) {
          flat[Math.toIntExact(matrix.offset() + r * matrix.cols() + c)] =
              matrix.inputMajor() ? gradient.get(c, r) : gradient.get(r, c);
        }
      }
    }
    for (WeightLayout.Vector vector : layout.vectors()) {
      Tensor gradient = gradient(example, vector.role(), vector.layer(), vector.bias());
      for (int i = 0; i < vector.size(); i++) {
        flat[Math.toIntExact(layout.vectorsOffset() + vector.offset() + i)] = gradient.get(i);
      }
    }
    return flat;
  }

  /** Squared L2 norm of an example's gradient by one tensor. */
  double square(int example, Role role, int layer, boolean bias) {
    Tensor tensor = gradient(example, role, layer, bias);
    double sum = 0;
    for (long i = 0; i < tensor.size(); i++) {
      sum += tensor.get(i) * tensor.get(i);
    }
    return sum;
  }

  @Override
  public int lowest() {
    return Role.EMBEDDING.height(0);
  }

  @Override
  public void linear(Role role, int layer, Tensor x, Tensor dy, Tensor u, Tensor du) {
    for (int e = 0; e < examples.size(); e++) {
      Tensor weight = gradient(e, role, layer, false);
      Tensor bias = gradient(e, role, layer, true);
      exampleGrad(x, dy, group.rowStart(e), group.rowStart(e + 1), weight);
      if (bias != null) {
        kernels.linear().biasExampleGrad(dy, group.rowStart(e), group.rowStart(e + 1), bias);
      }
    }
  }

  private void exampleGrad(Tensor x, Tensor dy, long from, long to, Tensor weight) {
    try (TensorArena scratch = new TensorArena()) {
      long size = kernels.linear().workspace(x.type(), to - from, 1, dy.cols(), x.cols());
      Tensor workspace = scratch.allocate(kernels.wide(), Math.max(1, size));
      kernels.linear().exampleGrad(x, dy, from, to, weight, workspace);
    }
  }

  @Override
  public void norm(Role role, int layer, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
    for (int e = 0; e < examples.size(); e++) {
      norm(e, role, layer, dy, x, mean, rstd, group.rowStart(e), group.rowStart(e + 1));
    }
  }

  private void norm(
      int example,
      Role role,
      int layer,
      Tensor dy,
      Tensor x,
      Tensor mean,
      Tensor rstd,
      long from,
      long to) {
    Tensor weight = gradient(example, role, layer, false);
    if (mean == null) {
      kernels.rmsnorm().exampleGrad(dy, x, rstd, from, to, weight);
    } else {
      Tensor bias = gradient(example, role, layer, true);
      kernels.layernorm().exampleGrad(dy, x, mean, rstd, from, to, weight, bias);
    }
  }

  /** Rows of a chunk of weighted rows that are an example's. */
  private long clampToChunk(int headRow, long first, long count) {
    return Math.clamp(headRow - first, 0, count);
  }

  @Override
  public void headNorm(long first, Tensor dy, Tensor x, Tensor mean, Tensor rstd) {
    for (int e = 0; e < examples.size(); e++) {
      long from = clampToChunk(group.headStart(e), first, dy.rows());
      long to = clampToChunk(group.headStart(e + 1), first, dy.rows());
      norm(e, Role.FINAL_NORM, 0, dy, x, mean, rstd, from, to);
    }
  }

  @Override
  public void head(long first, Tensor h, Tensor dLogits) {
    Role role = config.tiedHead() ? Role.EMBEDDING : Role.HEAD;
    for (int e = 0; e < examples.size(); e++) {
      long from = clampToChunk(group.headStart(e), first, h.rows());
      long to = clampToChunk(group.headStart(e + 1), first, h.rows());
      exampleGrad(h, dLogits, from, to, gradient(e, role, 0, false));
    }
  }

  @Override
  public void embedding(Tensor dx) {
    for (int e = 0; e < examples.size(); e++) {
      kernels
          .embedding()
          .exampleGrad(
              group.ids(),
              group.positions(),
              dx,
              group.rowStart(e),
              group.rowStart(e + 1),
              config.embeddingScale(),
              gradient(e, Role.EMBEDDING, 0, false),
              gradient(e, Role.POSITIONS, 0, false));
    }
  }
}
