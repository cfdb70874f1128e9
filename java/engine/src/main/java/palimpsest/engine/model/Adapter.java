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
 * Low-rank adapters on the linear layers of a decoder (Hu et al. 2021). The flat parameters hold
 * site after site, A before B.
 */
public final class Adapter extends Trainable {
  /**
   * An adapted linear layer.
   *
   * @param in input width
   * @param out output width
   * @param offset of its A in the flat parameters; B follows
   */
  public record Site(Role role, int layer, long in, long out, long offset) {}

  private record Place(Role role, int layer) {}

  private final Kernels kernels;
  private final int rank;
  private final double alpha;
  private final List<Site> sites = new ArrayList<>();
  private final Map<Place, Integer> indices = new HashMap<>();
  private final List<LoraFactors> factors = new ArrayList<>();

  /**
   * @param rank r
   * @param alpha the scale is alpha / r
   * @param roles which linear layers; those that the model lacks are an error
   * @param arena holds parameters and packed factors
   */
  public Adapter(
      DecoderConfig config,
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
    super(kernels, parameterCount(config, rank, roles), arena);
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
          sites.add(new Site(role, layer, in, out, offset));
          factors.add(kernels.lora().allocate(rank, in, out, arena));
          offset += rank * (in + out);
        }
      }
    }
  }

  /** P: rank times the widths on both sides of every site. */
  static long parameterCount(DecoderConfig config, int rank, Set<Role> roles) {
    long widths = 0;
    for (Role role : roles) {
      widths += inputWidth(config, role) + outputWidth(config, role);
    }
    return rank * widths * config.layers();
  }

  @Override
  public TuningMethod method() {
    return new TuningMethod.Lora(rank, alpha, roles());
  }

  /** The linear layers that it is on, the same in every block. */
  public Set<Role> roles() {
    Set<Role> roles = EnumSet.noneOf(Role.class);
    sites.forEach(site -> roles.add(site.role()));
    return roles;
  }

  /**
   * The linear layers that a model of this configuration has in each block, in the order of the
   * computation.
   */
  public static Set<Role> linearRoles(DecoderConfig config) {
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

  static long inputWidth(DecoderConfig config, Role role) {
    return switch (role) {
      case ATTENTION_OUTPUT -> config.attention().queryWidth();
      case DOWN -> config.feedForward().width();
      default -> config.width();
    };
  }

  static long outputWidth(DecoderConfig config, Role role) {
    DecoderConfig.AttentionOptions attention = config.attention();
    return switch (role) {
      case QUERY_KEY_VALUE -> attention.queryWidth() + 2L * attention.keyWidth();
      case QUERY -> attention.queryWidth();
      case KEY, VALUE -> attention.keyWidth();
      case GATE, UP -> config.feedForward().width();
      default -> config.width();
    };
  }

  @Override
  public int rank() {
    return rank;
  }

  public double alpha() {
    return alpha;
  }

  public List<Site> sites() {
    return List.copyOf(sites);
  }

  /** A of a site, [r, in], as a view of a flat tensor of P numbers. */
  public Tensor a(Tensor flat, Site site) {
    return flat.part(site.offset(), rank, site.in());
  }

  /** B of a site, [out, r], as a view of a flat tensor of P numbers. */
  public Tensor b(Tensor flat, Site site) {
    return flat.part(site.offset() + rank * site.in(), site.out(), rank);
  }

  /**
   * The usual start: A uniform in +-1/sqrt(in), B zero, so that the adapted model is the base
   * model.
   */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    for (Site site : sites) {
      Tensor a = a(parameters(), site);
      double bound = 1 / Math.sqrt(site.in());
      for (long i = 0; i < a.size(); i++) {
        a.set(i, random.nextDouble(-bound, bound));
      }
      b(parameters(), site).fill(0);
    }
    pack();
  }

  @Override
  public void pack() {
    for (int i = 0; i < sites.size(); i++) {
      Site site = sites.get(i);
      kernels
          .lora()
          .pack(a(parameters(), site), b(parameters(), site), alpha / rank, factors.get(i));
    }
  }

  /** The site on a linear layer, or null. */
  public Site site(Role role, int layer) {
    Integer index = indices.get(new Place(role, layer));
    return index == null ? null : sites.get(index);
  }

  @Override
  LoraFactors factors(Role role, int layer) {
    Integer index = indices.get(new Place(role, layer));
    return index == null ? null : factors.get(index);
  }
}
