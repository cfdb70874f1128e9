package palimpsest.engine.model;

import java.util.List;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A model that gives a text logits over L labels: something that makes a vector of the text, and a
 * linear layer on it. Shared by all workers: a pass writes into buffers of its own.
 */
public abstract sealed class LabelModel extends FlatParameters implements AutoCloseable
    permits EncoderClassifier, WordCnn {
  private final Kernels kernels;
  private final LabelHead head;
  private final TensorArena arena;

  /**
   * @param vector K, the numbers of a text's vector
   * @param labels L
   * @param below how many parameters there are besides those of the last layer, which come first
   * @param arena holds all of the model; it is closed with the model
   */
  LabelModel(Kernels kernels, int vector, int labels, long below, TensorArena arena) {
    super(kernels, below + LabelHead.size(vector, labels), arena);
    this.kernels = kernels;
    this.arena = arena;
    head = new LabelHead(kernels, vector, labels, below, arena);
  }

  /** The start of training. */
  public abstract void initialize(RandomGenerator random);

  /** The matrices and vectors that the parameters are, in the order of their flat vector. */
  public abstract List<ParameterBlock> blocks();

  /** The longest text, in tokens. */
  public abstract int maxPositions();

  /** How many tokens there are. */
  public abstract int vocabularySize();

  /**
   * Buffers for one worker.
   *
   * @param maxRows the most rows of a group
   * @param maxExamples the most examples of a group
   * @param withBackward whether there will be backward passes
   * @param arena holds them
   */
  public abstract LabelPass pass(
      int maxRows, int maxExamples, boolean withBackward, TensorArena arena);

  public final Kernels kernels() {
    return kernels;
  }

  /** L. */
  public final int labels() {
    return head.labels();
  }

  /** The last layer's matrix [L, K], as a view of a flat tensor of P numbers. */
  public final Tensor headWeight(Tensor flat) {
    return head.weight(flat);
  }

  /** The last layer's bias [L], as a view of a flat tensor of P numbers. */
  public final Tensor headBias(Tensor flat) {
    return head.bias(flat);
  }

  final LabelHead head() {
    return head;
  }

  @Override
  public void close() {
    arena.close();
  }
}
