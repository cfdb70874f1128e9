package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Softmax attention (Vaswani et al. 2017) inside each example, causal or over all of its keys, with
 * grouped key-value heads (Ainslie et al. 2023): query head h reads key-value head {@code h *
 * kvHeads / heads}. Computed in tiles that start at the example's first key; no T x T matrix is
 * kept (Dao et al. 2022).
 */
public interface Attention {
  /**
   * @param heads number of query heads
   * @param kvHeads number of key-value heads, a divisor of heads
   * @param scale factor of the scores, usually 1 / sqrt(D)
   * @param window a causal query sees this many keys up to itself; 0 for all (sliding window)
   * @param causal whether a query sees keys up to its own place only; else it sees all, and there
   *     is no window
   */
  record Shape(int heads, int kvHeads, double scale, int window, boolean causal) {
    /** Causal, without a window. */
    public static Shape causal(int heads, int kvHeads, double scale) {
      return new Shape(heads, kvHeads, scale, 0, true);
    }

    /** Every query sees every key of its example (Devlin et al. 2019). */
    public static Shape bidirectional(int heads, double scale) {
      return new Shape(heads, heads, scale, 0, false);
    }
  }

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
