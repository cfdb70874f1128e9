package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * An encoder with low-rank adapters on all of its linear layers (Hu et al. 2021) and a linear layer
 * on the mean of a text's tokens. The encoder's own weights stay frozen.
 */
public final class EncoderClassifier extends LabelModel {
  private final Encoder encoder;
  private final AdapterSites sites;

  private EncoderClassifier(
      Encoder encoder, int rank, double alpha, int labels, TensorArena arena) {
    EncoderConfig config = encoder.config();
    Set<Role> roles = AdapterSites.linearRoles(config);
    AdapterSites sites = new AdapterSites(config, rank, alpha, roles, encoder.kernels(), arena);
    super(
        encoder.kernels(),
        config.width(),
        labels,
        AdapterSites.parameterCount(config, rank, roles),
        arena);
    this.encoder = encoder;
    this.sites = sites;
  }

  /**
   * Packs a model, not yet given the trained part of its values.
   *
   * @param folder of the encoder; may be closed afterwards
   * @param maxTokens the longest text, at most the encoder's context
   * @param rank r of the adapters
   * @param alpha their scale is alpha / r
   * @param labels L
   */
  public static EncoderClassifier of(
      EncoderFolder folder, Kernels kernels, int maxTokens, int rank, double alpha, int labels) {
    TensorArena arena = new TensorArena();
    Encoder encoder = null;
    try {
      encoder = new Encoder(folder, kernels, true, maxTokens);
      return new EncoderClassifier(encoder, rank, alpha, labels, arena);
    } catch (RuntimeException e) {
      arena.close();
      if (encoder != null) {
        encoder.close();
      }
      throw e;
    }
  }

  @Override
  public void initialize(RandomGenerator random) {
    sites.initialize(parameters(), random);
    head().initialize(parameters());
    pack();
  }

  @Override
  public void pack() {
    sites.pack(parameters());
    head().pack(parameters());
  }

  @Override
  public List<ParameterBlock> blocks() {
    EncoderConfig config = encoder.config();
    List<ParameterBlock> blocks =
        new ArrayList<>(
            AdapterSites.blocks(config, sites.rank(), AdapterSites.linearRoles(config)));
    blocks.addAll(head().blocks());
    return blocks;
  }

  @Override
  public int maxPositions() {
    return encoder.maxPositions();
  }

  @Override
  public int vocabularySize() {
    return encoder.config().vocabularySize();
  }

  /** The adapter on a linear layer. */
  public Adapter.Site site(Role role, int layer) {
    return sites.site(role, layer);
  }

  /** A of a site, [r, in], as a view of a flat tensor of P numbers. */
  public Tensor a(Tensor flat, Adapter.Site site) {
    return sites.a(flat, site);
  }

  /** B of a site, [out, r], as a view of a flat tensor of P numbers. */
  public Tensor b(Tensor flat, Adapter.Site site) {
    return sites.b(flat, site);
  }

  @Override
  public LabelPass pass(int maxRows, int maxExamples, boolean withBackward, TensorArena arena) {
    return new Pass(maxRows, maxExamples, withBackward, arena);
  }

  private final class Pass extends LabelPass {
    private final EncoderActivations activations;

    Pass(int maxRows, int maxExamples, boolean withBackward, TensorArena arena) {
      super(kernels(), head(), maxExamples, arena);
      activations =
          new EncoderActivations(
              encoder.config(), kernels(), maxRows, maxExamples, sites.rank(), withBackward, arena);
    }

    @Override
    Tensor forward(TokenGroup group) {
      encoder.forward(group, sites, activations);
      return activations.pooled.rows(0, group.examples());
    }

    @Override
    void backward(TokenGroup group, Tensor dVectors, ParameterGradients gradients) {
      encoder.backward(group, dVectors, sites, activations, gradients);
    }

    @Override
    public void poison() {
      super.poison();
      activations.poison();
    }
  }

  @Override
  public void close() {
    encoder.close();
    super.close();
  }
}
