package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** A decoder's base weights, packed for a provider; frozen. */
final class DecoderWeights {
  /** Weight and bias of a norm; the bias is null for an RMS norm. */
  record Norm(Tensor weight, Tensor bias) {}

  /** One block. */
  record Layer(Norm attentionNorm, Norm feedForwardNorm, Map<Role, LinearWeights> linear) {}

  final Tensor embedding;
  final Tensor positions;
  final List<Layer> layers = new ArrayList<>();
  final Norm finalNorm;
  final LinearWeights head;

  /**
   * Copies every weight out of the folder, which may be closed afterwards.
   *
   * @param backward whether gradients will be asked for
   */
  DecoderWeights(ModelFolder folder, Kernels kernels, boolean backward, TensorArena arena) {
    DecoderConfig config = folder.config();
    refuseUnknown(config);
    embedding = copy(folder.weight(Role.EMBEDDING, 0), kernels.compute(), arena);
    positions =
        config.position().kind() == DecoderConfig.PositionKind.LEARNED
            ? copy(folder.weight(Role.POSITIONS, 0), kernels.compute(), arena)
            : null;
    Set<Role> roles = Adapter.linearRoles(config);
    for (int layer = 0; layer < config.layers(); layer++) {
      Map<Role, LinearWeights> linear = new EnumMap<>(Role.class);
      for (Role role : roles) {
        linear.put(role, pack(folder, role, layer, kernels, backward, arena));
      }
      layers.add(
          new Layer(
              norm(folder, Role.ATTENTION_NORM, layer, kernels, arena),
              norm(folder, Role.FEED_FORWARD_NORM, layer, kernels, arena),
              linear));
    }
    finalNorm = norm(folder, Role.FINAL_NORM, 0, kernels, arena);
    head = pack(folder, Role.HEAD, 0, kernels, backward, arena);
  }

  private static void refuseUnknown(DecoderConfig config) {
    if (config.attention().qkNorm() || config.norm().post() || config.parallelResidual()) {
      throw new IllegalArgumentException(
          "models of the family "
              + config.family()
              + " cannot be run yet; gpt2 and llama models can");
    }
  }

  private static LinearWeights pack(
      ModelFolder folder,
      Role role,
      int layer,
      Kernels kernels,
      boolean backward,
      TensorArena arena) {
    try (TensorArena scratch = new TensorArena()) {
      Tensor weight = folder.linear(role, layer, scratch);
      return kernels.linear().pack(weight, folder.bias(role, layer).orElse(null), backward, arena);
    }
  }

  private static Norm norm(
      ModelFolder folder, Role role, int layer, Kernels kernels, TensorArena arena) {
    Tensor weight = copy(folder.weight(role, layer), kernels.wide(), arena);
    if (folder.config().norm().plusOne()) {
      for (long i = 0; i < weight.size(); i++) {
        weight.set(i, 1 + weight.get(i));
      }
    }
    return new Norm(
        weight,
        folder.bias(role, layer).map(bias -> copy(bias, kernels.wide(), arena)).orElse(null));
  }

  private static Tensor copy(Tensor from, DType type, TensorArena arena) {
    return arena.allocate(type, from.shape()).copyFrom(from);
  }
}
