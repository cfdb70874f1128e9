package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/** Token (and learned position) embedding. N rows of width C, vocabulary V, P positions. */
public interface Embedding {
  /**
   * {@code out[n] = scale * table[ids[n]] + positionTable[positions[n]]}.
   *
   * @param ids I32 [N], each in [0, V)
   * @param positions I32 [N], each in [0, P); read only with a position table
   * @param table compute or wide [V, C]
   * @param positionTable the same type [P, C], or null
   * @param out wide [N, C]
   */
  void forward(
      Tensor ids, Tensor positions, Tensor table, Tensor positionTable, double scale, Tensor out);

  /**
   * Adds one example's gradient: {@code dTable[ids[n]] += scale * dOut[n]}, {@code
   * dPositions[positions[n]] += dOut[n]} for n in [from, to), in that order.
   *
   * @param dTable wide [V, C]
   * @param dPositions wide [P, C], or null
   */
  void exampleGrad(
      Tensor ids,
      Tensor positions,
      Tensor dOut,
      long from,
      long to,
      double scale,
      Tensor dTable,
      Tensor dPositions);

  /**
   * Squared L2 norm of one example's gradient of the table; where the table is the output layer's
   * weight too, what the example's rows add to the squared norm of {@code g = sum left[n] ⊗
   * right[n]}, n in [from, to): theirs, and twice the inner product of the two.
   *
   * @param left compute [R, V], the gradient of logits, or null
   * @param right compute [R, C], the output layer's input, or null
   */
  double exampleNorm(
      EmbeddingRows rows,
      int example,
      Tensor left,
      Tensor right,
      long from,
      long to,
      long vocabulary);

  /**
   * Verified sum of a group's gradients of a table, row by row of it, as {@link Linear#accumulate}.
   *
   * @param sums I32 [V, C]
   */
  void accumulate(EmbeddingRows rows, ClippedExamples examples, Tensor sums);
}
