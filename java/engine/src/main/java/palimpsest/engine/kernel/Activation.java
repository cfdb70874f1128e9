package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/** The nonlinearity of a feed-forward block, N rows of width F. */
public interface Activation {
  /** Which function; the gated kinds multiply act(gate) by a second input. */
  enum Kind {
    /** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), "gelu_new" (Hendrycks and Gimpel 2016). */
    GELU_TANH(false),
    /** x / (1 + exp(-x)) * up: SwiGLU (Shazeer 2020). */
    SILU_GATED(true),
    /** GELU_TANH(gate) * up: GeGLU (Shazeer 2020). */
    GELU_TANH_GATED(true),
    /** 0.5 x (1 + erf(x / sqrt(2))), exact "gelu" (Hendrycks and Gimpel 2016). */
    GELU(false);

    private final boolean gated;

    Kind(boolean gated) {
      this.gated = gated;
    }

    public boolean gated() {
      return gated;
    }
  }

  /**
   * @param gate compute [N, F]
   * @param up compute [N, F] for the gated kinds, else null
   * @param out compute [N, F]
   */
  void forward(Kind kind, Tensor gate, Tensor up, Tensor out);

  /**
   * @param dOut wide [N, F]
   * @param dGate compute [N, F]; may be the memory of gate
   * @param dUp compute [N, F] for the gated kinds, else null; may be the memory of up
   */
  void backward(Kind kind, Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp);
}
