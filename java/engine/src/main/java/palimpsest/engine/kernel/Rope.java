package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Rotary position embedding (Su et al. 2021), half-split form: in each head of size D the first R
 * numbers are pairs (i, i + R/2) rotated by positions[n] * theta_i; the rest are copied.
 */
public interface Rope {
  /**
   * @param x wide [N, heads * D]
   * @param positions I32 [N]
   * @param cos wide [P, R/2], cosines of position times theta
   * @param sin wide [P, R/2]
   * @param y compute or wide [N, heads * D]; not the memory of x
   */
  void forward(Tensor x, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor y);

  /**
   * The inverse rotation, which is the gradient: dy wide, dx compute or wide, both [N, heads * D].
   */
  void backward(Tensor dy, int heads, Tensor positions, Tensor cos, Tensor sin, Tensor dx);
}
