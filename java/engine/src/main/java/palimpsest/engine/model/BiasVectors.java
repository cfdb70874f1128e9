package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Bias-only tuning (BitFit: Ben Zaken, Goldberg and Ravfogel 2022): a vector that is added to the
 * output of each targeted linear layer, beside the bias that the layer may have. It starts at zero.
 */
public final class BiasVectors extends Trainable {
  /**
   * A linear layer with a trained bias.
   *
   * @param out output width
   * @param offset of its vector in the flat parameters
   */
  public record Site(Role role, int layer, long out, long offset) {}

  private record Place(Role role, int layer) {}

  private final Decoder decoder;
  private final Set<Role> targets;
  private final List<Site> sites = new ArrayList<>();
  private final Map<Place, Site> places = new HashMap<>();
  private final Map<Place, LinearWeights> weights = new HashMap<>();

  /**
   * @param decoder the model that they are for; its packed weights are shared
   * @param targets which linear layers; empty: all. Those that the model lacks are an error
   * @param arena holds parameters and packed biases
   */
  public BiasVectors(Decoder decoder, Set<Role> targets, TensorArena arena) {
    TuningMethod.Bias method = new TuningMethod.Bias(targets);
    super(decoder.kernels(), method.parameterCount(decoder.config()), arena);
    this.decoder = decoder;
    this.targets = method.targets(decoder.config());
    long offset = 0;
    for (int layer = 0; layer < decoder.config().layers(); layer++) {
      for (Role role : this.targets) {
        Place place = new Place(role, layer);
        Site site = new Site(role, layer, Adapter.outputWidth(decoder.config(), role), offset);
        sites.add(site);
        places.put(place, site);
        LinearWeights own = decoder.weights(role, layer);
        weights.put(place, decoder.kernels().linear().withBias(own, arena));
        offset += site.out();
      }
    }
  }

  @Override
  public TuningMethod method() {
    return new TuningMethod.Bias(targets);
  }

  /** The linear layers that have one, the same in every block. */
  public Set<Role> targets() {
    return targets;
  }

  public List<Site> sites() {
    return List.copyOf(sites);
  }

  /** The site on a linear layer, or null. */
  public Site site(Role role, int layer) {
    return places.get(new Place(role, layer));
  }

  /** The vector of a site, [out], as a view of a flat tensor of P numbers. */
  public Tensor bias(Tensor flat, Site site) {
    return flat.part(site.offset(), site.out());
  }

  /** Zero: the tuned model is the base model. */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    parameters().fill(0);
    pack();
  }

  @Override
  public void pack() {
    for (Site site : sites) {
      LinearWeights biased = weights.get(new Place(site.role(), site.layer()));
      decoder.kernels().linear().packBias(bias(parameters(), site), biased);
    }
  }

  @Override
  LinearWeights weights(Role role, int layer, LinearWeights own) {
    return weights.getOrDefault(new Place(role, layer), own);
  }
}
