package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.tensor.Tensor;

/**
 * Where each of a model's weights that are trained lies in one flat vector of all of them: the
 * matrices in the order of the computation, each as its file has it, then the vectors (norms and
 * biases), so that these are one piece. A tied output layer is the embedding and has no place of
 * its own. What stays frozen has no place here at all.
 */
public final class WeightLayout {
  /**
   * A matrix.
   *
   * @param inputMajor stored [in, out] (GPT-2's linear layers)
   * @param offset of its first number
   */
  public record Matrix(
      Role role, int layer, boolean inputMajor, long offset, long rows, long cols) {
    /** As a view of a flat tensor. */
    public Tensor of(Tensor flat) {
      return flat.part(offset, rows, cols);
    }
  }

  /**
   * A vector.
   *
   * @param bias the bias of its role, else the weight
   * @param offset of its first number behind {@link WeightLayout#vectorsOffset}
   */
  public record Vector(Role role, int layer, boolean bias, long offset, long size) {
    /** As a view of a flat tensor of the vectors alone. */
    public Tensor of(Tensor vectors) {
      return vectors.part(offset, size);
    }
  }

  private record Place(Role role, int layer, boolean bias) {}

  private final List<Matrix> matrices = new ArrayList<>();
  private final List<Vector> vectors = new ArrayList<>();
  private final Map<Place, Matrix> matrixAt = new HashMap<>();
  private final Map<Place, Vector> vectorAt = new HashMap<>();
  private long matrixSize;
  private long vectorSize;
  private int lowest = Integer.MAX_VALUE;

  /** All weights of a model of this configuration. */
  public WeightLayout(DecoderConfig config) {
    this(config, TensorPatterns.ALL);
  }

  /**
   * Some weights of a model of this configuration.
   *
   * @throws IllegalArgumentException if a pattern matches nothing in it, or nothing is left
   */
  public WeightLayout(DecoderConfig config, TensorPatterns trained) {
    for (TensorNames.Slot slot : trained.of(config)) {
      lowest = Math.min(lowest, slot.role().height(slot.layer()));
      Place place = new Place(slot.role(), slot.layer(), slot.bias());
      if (slot.shape().length == 1) {
        Vector vector = new Vector(slot.role(), slot.layer(), slot.bias(), vectorSize, slot.size());
        vectors.add(vector);
        vectorAt.put(place, vector);
        vectorSize += slot.size();
      } else {
        Matrix matrix =
            new Matrix(
                slot.role(),
                slot.layer(),
                slot.inputMajor(),
                matrixSize,
                slot.shape()[0],
                slot.shape()[1]);
        matrices.add(matrix);
        matrixAt.put(place, matrix);
        matrixSize += slot.size();
      }
    }
  }

  /** P, the number of weights. */
  public long size() {
    return matrixSize + vectorSize;
  }

  /** Where the vectors begin. */
  public long vectorsOffset() {
    return matrixSize;
  }

  /** {@link Role#height} of the lowest place with a weight that is trained. */
  public int lowest() {
    return lowest;
  }

  /** Whether a tensor of the file is trained. */
  boolean holds(TensorNames.Slot slot) {
    Place place = new Place(slot.role(), slot.layer(), slot.bias());
    return vectorAt.containsKey(place) || matrixAt.containsKey(place);
  }

  /** A tensor of the file that is trained, as a view of a flat tensor. */
  Tensor of(TensorNames.Slot slot, Tensor flat) {
    Place place = new Place(slot.role(), slot.layer(), slot.bias());
    Vector vector = vectorAt.get(place);
    return vector == null ? matrixAt.get(place).of(flat) : vector.of(vectors(flat));
  }

  /** All vectors, as a view of a flat tensor. */
  public Tensor vectors(Tensor flat) {
    return flat.part(matrixSize, vectorSize);
  }

  /** Numbers in all vectors. */
  public long vectorsSize() {
    return vectorSize;
  }

  /** Where each matrix, and last all vectors together if there are any, begin. */
  public List<Long> partOffsets() {
    List<Long> offsets = new ArrayList<>();
    matrices.forEach(matrix -> offsets.add(matrix.offset()));
    if (vectorSize > 0) {
      offsets.add(vectorsOffset());
    }
    return offsets;
  }

  /** All weights, matrix by matrix and vector by vector. */
  List<ParameterBlock> blocks() {
    List<ParameterBlock> blocks = new ArrayList<>();
    matrices.forEach(matrix ->
        blocks.add(new ParameterBlock(matrix.offset(), matrix.rows(), matrix.cols(), true)));
    vectors.forEach(vector ->
        blocks.add(new ParameterBlock(matrixSize + vector.offset(), 1, vector.size(), false)));
    return blocks;
  }

  public List<Matrix> matrices() {
    return List.copyOf(matrices);
  }

  public List<Vector> vectors() {
    return List.copyOf(vectors);
  }

  /** The matrix of a role; null if there is none, or it is not trained. */
  public Matrix matrix(Role role, int layer) {
    return matrixAt.get(new Place(role, layer, false));
  }

  /**
   * The norm's weight, norm's bias or layer's bias of a role; null if there is none, or it is not
   * trained.
   */
  public Vector vector(Role role, int layer, boolean bias) {
    return vectorAt.get(new Place(role, layer, bias));
  }
}
