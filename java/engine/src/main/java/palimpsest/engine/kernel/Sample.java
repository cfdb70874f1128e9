package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Draws one token a row from logits: temperature, top-k, nucleus (Holtzman et al. 2020), and label
 * guidance.
 */
public interface Sample {
  /**
   * @param temperature divides the logits; 0 takes the largest one
   * @param topK only the k likeliest tokens; 0 for all
   * @param topP only the likeliest tokens that together have at least this probability; ties with
   *     the last of them stay
   * @param guidance w: inside the tokens that are left, the score is (1 + w) log p - w log
   *     p_generic; 0 for none
   */
  record Settings(double temperature, int topK, double topP, double guidance) {
    public Settings {
      if (!(temperature >= 0) || topK < 0 || !(topP > 0 && topP <= 1) || !(guidance >= 0)) {
        throw new IllegalArgumentException(
            "sampling needs temperature, top-k and guidance of 0 or more, and top-p in (0, 1]");
      }
    }
  }

  /**
   * The token at which the running sum of probabilities, in the order of token ids, first passes
   * the row's uniform number.
   *
   * @param logits wide [R, V]
   * @param generic wide [R, V], logits without the label, or null without guidance
   * @param uniforms R numbers in [0, 1)
   * @param tokens R tokens, written
   * @throws IllegalArgumentException if a row's logits are not finite
   */
  void forward(Tensor logits, Tensor generic, Settings settings, double[] uniforms, int[] tokens);
}
