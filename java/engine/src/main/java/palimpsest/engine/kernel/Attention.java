package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Causal softmax attention (Vaswani et al. 2017) inside each example, with grouped key-value heads
 * (Ainslie et al. 2023): query head h reads key-value head {@code h * kvHeads / heads}. Computed in
 * tiles that start at the example's first key; no T x T matrix is kept (Dao et al. 2022).
 */
public interface Attention {
  /**
   * @param heads number of query heads
   * @param kvHeads number of key-value heads, a divisor of heads
   * @param scale factor of the scores, usually 1 / sqrt(D)
   * @param window a query sees this many keys up to itself; 0 for all (sliding window)
   */
  record Shape(int heads, int kvHeads, double scale, int window) {}

  /**
   * @param q compute [N, heads * D]
   * @param k compute [M, kvHeads * D]
   * @param v compute [M, kvHeads * D]
   * @param out compute [N, heads * D]
   * @param lse wide [N, heads]: log of the sum of exponentials, for the backward pass; or null
   */
  void forward(Tensor q, Tensor k, Tensor v, Spans spans, Shape shape, Tensor out, Tensor lse);

  /**
   * Gradients, for spans whose queries and keys are the same rows.
   *
   * @param out compute [N, heads * D], as written by forward
   * @param dOut wide [N, heads * D]
   * @param lse wide [N, heads], as written by forward
   * @param dq compute or wide [N, heads * D], overwritten
   * @param dk compute or wide [N, kvHeads * D], overwritten
   * @param dv compute or wide [N, kvHeads * D], overwritten
   */
  void backward(
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor dOut,
      Tensor lse,
      Spans spans,
      Shape shape,
      Tensor dq,
      Tensor dk,
      Tensor dv);
}
