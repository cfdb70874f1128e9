package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import palimpsest.engine.tensor.TensorArena;

/**
 * A way of tuning: which parameters are trained, beside the frozen base model or of it. A public
 * choice that shapes the result and not the guarantee.
 */
public sealed interface TuningMethod {
  /** One word, as written in files and on the command line. */
  String id();

  /**
   * P, the number of parameters that are trained.
   *
   * @throws IllegalArgumentException if a model of this configuration cannot be tuned this way
   */
  long parameterCount(DecoderConfig model);

  /**
   * The matrices and vectors that the parameters are, in the order of their flat vector, all of it.
   */
  List<ParameterBlock> blocks(DecoderConfig model);

  /** Virtual tokens that stand in front of everything the model reads. */
  default int promptTokens() {
    return 0;
  }

  /** Width of the low-rank products that a pass keeps; 0 for none. */
  default int rank() {
    return 0;
  }

  /**
   * The parameters in memory, not yet given values.
   *
   * @param arena holds them
   */
  Trainable parameters(Decoder decoder, TensorArena arena);

  /**
   * Low-rank adapters on linear layers (Hu et al. 2021).
   *
   * @param rank r
   * @param alpha the scale is alpha / r
   * @param targets the linear layers that get one, the same in every block; empty: all
   */
  record Lora(int rank, double alpha, Set<Role> targets) implements TuningMethod {
    /** Checks every part. */
    public Lora {
      targets = linear(targets);
      if (rank < 1) {
        throw new IllegalArgumentException("the adapter rank must be positive, not " + rank);
      }
      if (!(alpha > 0) || Double.isInfinite(alpha)) {
        throw new IllegalArgumentException(
            "the adapter's alpha must be positive and finite, not " + alpha);
      }
    }

    /** That rank on every linear layer, with an alpha of twice the rank. */
    public static Lora of(int rank) {
      return new Lora(rank, 2.0 * rank, Set.of());
    }

    @Override
    public String id() {
      return "lora";
    }

    @Override
    public long parameterCount(DecoderConfig model) {
      return AdapterSites.parameterCount(model, rank, targets(model));
    }

    /** The layers that get an adapter in a model of this configuration. */
    public Set<Role> targets(DecoderConfig model) {
      return present(targets, model);
    }

    @Override
    public List<ParameterBlock> blocks(DecoderConfig model) {
      return AdapterSites.blocks(model, rank, targets(model));
    }

    @Override
    public Adapter parameters(Decoder decoder, TensorArena arena) {
      return new Adapter(
          decoder.config(), rank, alpha, targets(decoder.config()), decoder.kernels(), arena);
    }
  }

  /**
   * A soft prompt (Lester, Al-Rfou and Constant 2021).
   *
   * @param tokens m, virtual tokens: 1 to 4096
   */
  record Prompt(int tokens) implements TuningMethod {
    static final int MAX_TOKENS = 4096;

    /** Checks the number of tokens. */
    public Prompt {
      if (tokens < 1 || tokens > MAX_TOKENS) {
        throw new IllegalArgumentException(
            "a soft prompt has 1 to " + MAX_TOKENS + " tokens, not " + tokens);
      }
    }

    @Override
    public String id() {
      return "prompt";
    }

    @Override
    public long parameterCount(DecoderConfig model) {
      return (long) tokens * model.width();
    }

    @Override
    public int promptTokens() {
      return tokens;
    }

    @Override
    public List<ParameterBlock> blocks(DecoderConfig model) {
      return List.of(new ParameterBlock(0, tokens, model.width(), true));
    }

    @Override
    public SoftPrompt parameters(Decoder decoder, TensorArena arena) {
      return new SoftPrompt(decoder, tokens, arena);
    }
  }

  /**
   * Bias-only tuning (Ben Zaken, Goldberg and Ravfogel 2022).
   *
   * @param targets the linear layers whose outputs get a trained vector, the same in every block;
   *     empty: all
   */
  record Bias(Set<Role> targets) implements TuningMethod {
    /** Checks the layers. */
    public Bias {
      targets = linear(targets);
    }

    @Override
    public String id() {
      return "bias";
    }

    @Override
    public long parameterCount(DecoderConfig model) {
      long outputs = 0;
      for (Role role : targets(model)) {
        outputs += Adapter.outputWidth(model, role);
      }
      return outputs * model.layers();
    }

    /** The layers that get a bias in a model of this configuration. */
    public Set<Role> targets(DecoderConfig model) {
      return present(targets, model);
    }

    @Override
    public List<ParameterBlock> blocks(DecoderConfig model) {
      List<ParameterBlock> blocks = new ArrayList<>();
      long offset = 0;
      for (int layer = 0; layer < model.layers(); layer++) {
        for (Role role : targets(model)) {
          long out = Adapter.outputWidth(model, role);
          blocks.add(new ParameterBlock(offset, 1, out, true));
          offset += out;
        }
      }
      return blocks;
    }

    @Override
    public BiasVectors parameters(Decoder decoder, TensorArena arena) {
      return new BiasVectors(decoder, targets, arena);
    }
  }

  /**
   * Full fine-tuning: the model's own weights, of which no others are kept.
   *
   * @param trained which of them; the others stay as they are
   * @param norms where the norms that gradients are clipped by come from
   */
  record Full(TensorPatterns trained, Norms norms) implements TuningMethod {
    /** All weights, with exact norms. */
    public Full() {
      this(TensorPatterns.ALL);
    }

    /** Some weights, with exact norms. */
    public Full(TensorPatterns trained) {
      this(trained, Norms.EXACT);
    }

    /** All weights. */
    public Full(Norms norms) {
      this(TensorPatterns.ALL, norms);
    }

    @Override
    public String id() {
      return "full";
    }

    @Override
    public long parameterCount(DecoderConfig model) {
      return new WeightLayout(model, trained).size();
    }

    @Override
    public List<ParameterBlock> blocks(DecoderConfig model) {
      return new WeightLayout(model, trained).blocks();
    }

    @Override
    public AllWeights parameters(Decoder decoder, TensorArena arena) {
      return new AllWeights(decoder, this, arena);
    }
  }

  /** In the order of the enum, the same in every process: resumed runs compare the words of it. */
  private static Set<Role> linear(Set<Role> targets) {
    if (!targets.stream().allMatch(Role::isLinear)) {
      throw new IllegalArgumentException("what is tuned are linear layers, not " + targets);
    }
    return targets.isEmpty() ? Set.of() : Collections.unmodifiableSet(EnumSet.copyOf(targets));
  }

  /** The targets, or all linear layers that the model has. */
  private static Set<Role> present(Set<Role> targets, DecoderConfig model) {
    Set<Role> possible = Adapter.linearRoles(model);
    if (!possible.containsAll(targets)) {
      throw new IllegalArgumentException(
          "linear layers of this model are " + possible + ", not all of " + targets);
    }
    return targets.isEmpty() ? possible : targets;
  }
}
