package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Low-rank factors on the linear layers of a model (Hu et al. 2021): where they lie in a flat
 * vector, site after site, A before B, and their packed form.
 */
final class AdapterSites {
  private record Place(Role role, int layer) {}

  private final Kernels kernels;
  private final int rank;
  private final double alpha;
  private final List<Adapter.Site> sites = new ArrayList<>();
  private final Map<Place, Integer> indices = new HashMap<>();
  private final List<LoraFactors> factors = new ArrayList<>();

  /**
   * @param rank r
   * @param alpha the scale is alpha / r
   * @param roles which linear layers; those that the model lacks are an error
   * @param arena holds packed factors
   */
  AdapterSites(
      ModelConfig config,
      int rank,
      double alpha,
      Set<Role> roles,
      Kernels kernels,
      TensorArena arena) {
    if (rank < 1 || !(alpha > 0)) {
      throw new IllegalArgumentException(
          "adapter rank " + rank + " and alpha " + alpha + " must be positive");
    }
    Set<Role> possible = linearRoles(config);
    if (roles.isEmpty() || !possible.containsAll(roles)) {
      throw new IllegalArgumentException(
          "adapters of this model go on some of " + possible + ", not on " + roles);
    }
    this.kernels = kernels;
    this.rank = rank;
    this.alpha = alpha;
    long offset = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Role role : possible) {
        if (roles.contains(role)) {
          long in = inputWidth(config, role);
          long out = outputWidth(config, role);
          indices.put(new Place(role, layer), sites.size());
          sites.add(new Adapter.Site(role, layer, in, out, offset));
          factors.add(kernels.lora().allocate(rank, in, out, arena));
          offset += rank * (in + out);
        }
      }
    }
  }

  /** P: rank times the widths on both sides of every site. */
  static long parameterCount(ModelConfig config, int rank, Set<Role> roles) {
    long widths = 0;
    for (Role role : roles) {
      widths += inputWidth(config, role) + outputWidth(config, role);
    }
    return rank * widths * config.layers();
  }

  /** The matrices of the factors, in the order of the flat vector. */
  static List<ParameterBlock> blocks(ModelConfig config, int rank, Set<Role> roles) {
    List<ParameterBlock> blocks = new ArrayList<>();
    long offset = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Role role : roles) {
        long in = inputWidth(config, role);
        long out = outputWidth(config, role);
        blocks.add(new ParameterBlock(offset, rank, in, true));
        blocks.add(new ParameterBlock(offset + rank * in, out, rank, true));
        offset += rank * (in + out);
      }
    }
    return blocks;
  }

  /**
   * The linear layers that a model of this configuration has in each block, in the order of the
   * computation.
   */
  static Set<Role> linearRoles(ModelConfig config) {
    Set<Role> roles = EnumSet.of(Role.ATTENTION_OUTPUT, Role.UP, Role.DOWN);
    if (config.attention().fused()) {
      roles.add(Role.QUERY_KEY_VALUE);
    } else {
      roles.addAll(EnumSet.of(Role.QUERY, Role.KEY, Role.VALUE));
    }
    if (config.feedForward().activation().gated()) {
      roles.add(Role.GATE);
    }
    return roles;
  }

  static long inputWidth(ModelConfig config, Role role) {
    return switch (role) {
      case ATTENTION_OUTPUT -> config.attention().queryWidth();
      case DOWN -> config.feedForward().width();
      default -> config.width();
    };
  }

  static long outputWidth(ModelConfig config, Role role) {
    DecoderConfig.AttentionOptions attention = config.attention();
    return switch (role) {
      case QUERY_KEY_VALUE -> attention.queryWidth() + 2L * attention.keyWidth();
      case QUERY -> attention.queryWidth();
      case KEY, VALUE -> attention.keyWidth();
      case GATE, UP -> config.feedForward().width();
      default -> config.width();
    };
  }

  int rank() {
    return rank;
  }

  double alpha() {
    return alpha;
  }

  List<Adapter.Site> all() {
    return List.copyOf(sites);
  }

  /** The site on a linear layer, or null. */
  Adapter.Site site(Role role, int layer) {
    Integer index = indices.get(new Place(role, layer));
    return index == null ? null : sites.get(index);
  }

  /** The packed factors on a linear layer, or null. */
  LoraFactors factors(Role role, int layer) {
    Integer index = indices.get(new Place(role, layer));
    return index == null ? null : factors.get(index);
  }

  /** A of a site, [r, in], as a view of a flat tensor. */
  Tensor a(Tensor flat, Adapter.Site site) {
    return flat.part(site.offset(), rank, site.in());
  }

  /** B of a site, [out, r], as a view of a flat tensor. */
  Tensor b(Tensor flat, Adapter.Site site) {
    return flat.part(site.offset() + rank * site.in(), site.out(), rank);
  }

  /**
   * The usual start: A uniform in +-1/sqrt(in), B zero, so that the adapted model is the base
   * model.
   */
  void initialize(Tensor flat, RandomGenerator random) {
    for (Adapter.Site site : sites) {
      Tensor a = a(flat, site);
      double bound = 1 / Math.sqrt(site.in());
      for (long i = 0; i < a.size(); i++) {
        a.set(i, random.nextDouble(-bound, bound));
      }
      b(flat, site).fill(0);
    }
  }

  /** Hands the factors to the kernels. */
  void pack(Tensor flat) {
    for (int i = 0; i < sites.size(); i++) {
      Adapter.Site site = sites.get(i);
      kernels.lora().pack(a(flat, site), b(flat, site), alpha / rank, factors.get(i));
    }
  }
}
