package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/** One vector for each of E examples of N rows together, width C: the mean of its rows. */
public interface Pooling {
  /**
   * {@code out[e] = sum x[n] / T} over the T rows n of example e, in order; 0 where it has none.
   *
   * @param x wide [N, C]
   * @param spans the examples, by the rows of their queries
   * @param out wide [E, C]
   */
  void forward(Tensor x, Spans spans, Tensor out);

  /**
   * {@code dx[n] = dOut[e] / T} for the T rows n of each example e; other rows are left as they
   * are.
   *
   * @param dOut wide [E, C]
   * @param dx wide [N, C]
   */
  void backward(Tensor dOut, Spans spans, Tensor dx);
}
