package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Low-rank adapters (Hu et al. 2021): y = W x + s B (A x), with A [r, K], B [P, r] and scale s =
 * alpha / r. Both u and du carry the scale, so {@link Linear} adds u Bᵀ and du A as they stand, and
 * the gradients need no further factor.
 */
public interface Lora {
  /** Memory for the packed factors of a layer; their values come from {@link #pack}. */
  LoraFactors allocate(int rank, long in, long out, TensorArena arena);

  /**
   * Puts new values into packed factors (once a step).
   *
   * @param a wide [r, K]
   * @param b wide [P, r]
   */
  void pack(Tensor a, Tensor b, double scale, LoraFactors factors);

  /** {@code u = s x Aᵀ}: x compute [N, K], u compute [N, r]. */
  void forward(Tensor x, LoraFactors factors, Tensor u);

  /** {@code du = s dy B}: dy compute [N, P], du compute [N, r]. */
  void backward(Tensor dy, LoraFactors factors, Tensor du);

  /**
   * One example's gradients over n in [from, to), overwriting: {@code dA = sum du[n] ⊗ x[n]},
   * {@code dB = sum dy[n] ⊗ u[n]}.
   *
   * @param dA wide [r, K]
   * @param dB wide [P, r]
   */
  void exampleGrad(
      Tensor x, Tensor u, Tensor dy, Tensor du, long from, long to, Tensor dA, Tensor dB);
}
