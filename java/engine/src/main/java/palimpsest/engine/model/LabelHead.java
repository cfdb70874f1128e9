package palimpsest.engine.model;

import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The linear layer from a text's vector of K numbers to L logits. Its numbers lie side by side in a
 * flat vector, the matrix before the bias.
 */
final class LabelHead {
  private final Kernels kernels;
  private final int inputs;
  private final int labels;
  private final long offset;
  private final LinearWeights packed;

  /**
   * @param inputs K
   * @param labels L, two or more
   * @param offset of the first number
   * @param arena holds the packed weights
   */
  LabelHead(Kernels kernels, int inputs, int labels, long offset, TensorArena arena) {
    if (labels < 2) {
      throw new IllegalArgumentException("a classifier needs two labels at least, not " + labels);
    }
    this.kernels = kernels;
    this.inputs = inputs;
    this.labels = labels;
    this.offset = offset;
    try (TensorArena zeros = new TensorArena()) {
      packed =
          kernels
              .linear()
              .pack(
                  zeros.allocate(kernels.wide(), labels, inputs),
                  zeros.allocate(kernels.wide(), labels),
                  true,
                  arena);
    }
  }

  /** How many numbers such a layer has. */
  static long size(int inputs, int labels) {
    return labels * (inputs + 1L);
  }

  int inputs() {
    return inputs;
  }

  int labels() {
    return labels;
  }

  /** [L, K], as a view of a flat tensor. */
  Tensor weight(Tensor flat) {
    return flat.part(offset, labels, inputs);
  }

  /** [L], as a view of a flat tensor. */
  Tensor bias(Tensor flat) {
    return flat.part(offset + (long) labels * inputs, labels);
  }

  /** Matrix and bias among the flat parameters. */
  List<ParameterBlock> blocks() {
    return List.of(
        new ParameterBlock(offset, labels, inputs, true),
        new ParameterBlock(offset + (long) labels * inputs, 1, labels, false));
  }

  /** The start of training: every label is as likely as any other. */
  void initialize(Tensor flat) {
    weight(flat).fill(0);
    bias(flat).fill(0);
  }

  /** Hands the numbers to the kernels. */
  void pack(Tensor flat) {
    kernels.linear().repack(weight(flat), false, bias(flat), packed);
  }

  LinearWeights packed() {
    return packed;
  }
}
