package palimpsest.engine.model;

import java.util.EnumSet;
import java.util.List;
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

  private final AdapterSites sites;

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
    AdapterSites sites = new AdapterSites(config, rank, alpha, roles, kernels, arena);
    super(kernels, AdapterSites.parameterCount(config, rank, roles), arena);
    this.sites = sites;
  }

  @Override
  public TuningMethod method() {
    return new TuningMethod.Lora(rank(), alpha(), roles());
  }

  /** The linear layers that it is on, the same in every block. */
  public Set<Role> roles() {
    Set<Role> roles = EnumSet.noneOf(Role.class);
    sites().forEach(site -> roles.add(site.role()));
    return roles;
  }

  /**
   * The linear layers that a model of this configuration has in each block, in the order of the
   * computation.
   */
  public static Set<Role> linearRoles(ModelConfig config) {
    return AdapterSites.linearRoles(config);
  }

  static long inputWidth(ModelConfig config, Role role) {
    return AdapterSites.inputWidth(config, role);
  }

  static long outputWidth(ModelConfig config, Role role) {
    return AdapterSites.outputWidth(config, role);
  }

  @Override
  public int rank() {
    return sites.rank();
  }

  public double alpha() {
    return sites.alpha();
  }

  public List<Site> sites() {
    return sites.all();
  }

  /** A of a site, [r, in], as a view of a flat tensor of P numbers. */
  public Tensor a(Tensor flat, Site site) {
    return sites.a(flat, site);
  }

  /** B of a site, [out, r], as a view of a flat tensor of P numbers. */
  public Tensor b(Tensor flat, Site site) {
    return sites.b(flat, site);
  }

  /**
   * The usual start: A uniform in +-1/sqrt(in), B zero, so that the adapted model is the base
   * model.
   */
  @Override
  public void initialize(ModelFolder base, RandomGenerator random) {
    sites.initialize(parameters(), random);
    pack();
  }

  @Override
  public void pack() {
    sites.pack(parameters());
  }

  /** The site on a linear layer, or null. */
  public Site site(Role role, int layer) {
    return sites.site(role, layer);
  }

  @Override
  LoraFactors factors(Role role, int layer) {
    return sites.factors(role, layer);
  }
}
