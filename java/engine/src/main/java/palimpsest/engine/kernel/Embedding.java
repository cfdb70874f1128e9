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
}
