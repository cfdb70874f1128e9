package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.model.WeightLayout;

/**
 * The arithmetic that a training step needs, whatever an implementation does: matrix products and
 * causal attention, forward and backward, without recomputation and padding (the count of llm.c's
 * model-FLOPs utilisation, generalised to grouped heads; docs/kernels.md).
 */
public final class StepFlops {
  private record Matrix(Role role, double in, double out) {
    double size() {
      return in * out;
    }
  }

  private final DecoderConfig config;
  private final List<Matrix> block = new ArrayList<>();

  public StepFlops(DecoderConfig config) {
    this.config = config;
    double width = config.width();
    double queries = config.attention().queryWidth();
    double keys = config.attention().keyWidth();
    double hidden = config.feedForward().width();
    for (Role role : Adapter.linearRoles(config)) {
      block.add(
          switch (role) {
            case QUERY_KEY_VALUE -> new Matrix(role, width, queries + 2 * keys);
            case QUERY -> new Matrix(role, width, queries);
            case KEY, VALUE -> new Matrix(role, width, keys);
            case ATTENTION_OUTPUT -> new Matrix(role, queries, width);
            case DOWN -> new Matrix(role, hidden, width);
            default -> new Matrix(role, width, hidden);
          });
    }
  }

  /** M: weights of all matrices of products, the output layer once whether tied or not. */
  public double matrixWeights() {
    return config.layers() * block.stream().mapToDouble(Matrix::size).sum()
        + (double) config.vocabularySize() * config.width();
  }

  /** S: input plus output width, summed over all linear layers of all blocks. */
  public double widths() {
    return config.layers() * block.stream().mapToDouble(m -> m.in + m.out).sum();
  }

  private double attention(int length) {
    return 6.0 * config.layers() * length * config.attention().queryWidth();
  }

  /**
   * FLOP a token of text with this method.
   *
   * @param length T, tokens an example, all of which carry a loss
   */
  public double of(TuningMethod method, int length) {
    return switch (method) {
      case TuningMethod.Lora lora ->
          frozen(length)
              + 6 * lora.rank() * sum(lora.targets(config), m -> m.in + m.out)
              - firstInputs();
      case TuningMethod.Bias bias ->
          frozen(length) + sum(bias.targets(config), Matrix::out) - firstInputs();
      case TuningMethod.Prompt prompt -> {
        int rows = length + prompt.tokens();
        yield frozen(rows) * rows / length;
      }
      case TuningMethod.Full full -> own(new WeightLayout(config, full.trained()), length);
    };
  }

  /**
   * Some of the model's own weights: a product forward for every matrix, one for the gradient at
   * its input unless nothing below is trained, and one for its own gradient if it is.
   */
  private double own(WeightLayout trained, int length) {
    int lowest = trained.lowest();
    double flops = matrix(trained, Role.HEAD, 0, (double) config.vocabularySize() * config.width());
    if (config.tiedHead() && trained.matrix(Role.EMBEDDING, 0) != null) {
      flops += 2.0 * config.vocabularySize() * config.width();
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Matrix matrix : block) {
        flops += matrix(trained, matrix.role, layer, matrix.size());
      }
      boolean back = lowest < Role.ATTENTION_OUTPUT.height(layer);
      flops += (back ? 6.0 : 2.0) * length * config.attention().queryWidth();
    }
    return flops;
  }

  private static double matrix(WeightLayout trained, Role role, int layer, double size) {
    boolean back = trained.lowest() < role.height(layer);
    return 2 * size * (1 + (back ? 1 : 0) + (trained.matrix(role, layer) == null ? 0 : 1));
  }

  /** Over the targeted layers of all blocks. */
  private double sum(Set<Role> targets, ToDoubleFunction<Matrix> width) {
    return config.layers()
        * block.stream().filter(m -> targets.contains(m.role)).mapToDouble(width).sum();
  }

  /** No matrix is trained, and gradients are wanted down to the embedding. */
  private double frozen(int length) {
    return 4 * matrixWeights() + attention(length);
  }

  /** 2CQ: what the first block's queries, keys and values save where nothing below is trained. */
  private double firstInputs() {
    DecoderConfig.AttentionOptions attention = config.attention();
    return 2.0 * config.width() * (attention.queryWidth() + 2.0 * attention.keyWidth());
  }

  /**
   * FLOP a token when all weights are trained: {@code 6M + 6LTHD}.
   *
   * @param length T, tokens an example, all of which carry a loss
   */
  public double full(int length) {
    return 6 * matrixWeights() + attention(length);
  }

  /**
   * FLOP a token with adapters of rank r on all linear layers: {@code 4M + 6LTHD + 6rS - 2CQ}, Q
   * the output width of the first block's queries, keys and values.
   */
  public double lora(int length, int rank) {
    return frozen(length) + 6 * rank * widths() - firstInputs();
  }
}
