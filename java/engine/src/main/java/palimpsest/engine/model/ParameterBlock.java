package palimpsest.engine.model;

/**
 * A matrix among the trained parameters, in their one flat vector; a vector is a matrix of one row.
 *
 * @param offset of its first number
 * @param rows n
 * @param cols m; its rows follow each other
 * @param decays whether a weight decay is meant for it: norms and biases of a model have none
 */
public record ParameterBlock(long offset, long rows, long cols, boolean decays) {
  /** Numbers in it. */
  public long size() {
    return rows * cols;
  }
}
