package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * The rows of an embedding's gradient, example by example: row {@code rows[i]} of the values, times
 * the scale, belongs to row {@code ids[i]} of the table, for i in [starts[e], starts[e + 1]).
 * Within an example the ids ascend, so that what belongs to one row of the table lies together.
 *
 * @param starts I32 [E + 1]
 * @param ids I32 [N]
 * @param rows I32 [N]
 * @param values wide [., C]
 */
public record EmbeddingRows(Tensor starts, Tensor ids, Tensor rows, Tensor values, double scale) {}
