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

/** A decoder's own weights, packed for a provider. */
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

  /**
   * Puts new values into every weight of a layout; the others stay as they are.
   *
   * @param parameters wide, of that layout
   */
  void repack(DecoderConfig config, Kernels kernels, WeightLayout layout, Tensor parameters) {
    WeightLayout.Matrix table = layout.matrix(Role.EMBEDDING, 0);
    WeightLayout.Matrix places = layout.matrix(Role.POSITIONS, 0);
    if (table != null) {
      kernels.linear().round(table.of(parameters), embedding);
    }
    if (places != null) {
      kernels.linear().round(places.of(parameters), positions);
    }
    for (int layer = 0; layer < layers.size(); layer++) {
      Layer into = layers.get(layer);
      for (Map.Entry<Role, LinearWeights> linear : into.linear().entrySet()) {
        repack(linear.getKey(), layer, kernels, layout, parameters, linear.getValue());
      }
      repack(config, Role.ATTENTION_NORM, layer, layout, parameters, into.attentionNorm());
      repack(config, Role.FEED_FORWARD_NORM, layer, layout, parameters, into.feedForwardNorm());
    }
    repack(config, Role.FINAL_NORM, 0, layout, parameters, finalNorm);
    if (!config.tiedHead()) {
      repack(Role.HEAD, 0, kernels, layout, parameters, head);
    } else if (table != null) {
      kernels.linear().repack(table.of(parameters), false, null, head);
    }
  }

  private static void repack(
      Role role,
      int layer,
      Kernels kernels,
      WeightLayout layout,
      Tensor parameters,
      LinearWeights into) {
    WeightLayout.Matrix matrix = layout.matrix(role, layer);
    WeightLayout.Vector bias = layout.vector(role, layer, true);
    if (matrix == null && bias == null) {
      return;
    }
    kernels
        .linear()
        .repack(
            matrix == null ? null : matrix.of(parameters),
            matrix != null && matrix.inputMajor(),
            bias == null ? null : bias.of(layout.vectors(parameters)),
            into);
  }

  private static void repack(
      DecoderConfig config,
      Role role,
      int layer,
      WeightLayout layout,
      Tensor parameters,
      Norm into) {
    WeightLayout.Vector weight = layout.vector(role, layer, false);
    WeightLayout.Vector bias = layout.vector(role, layer, true);
    if (weight != null) {
      copyWeight(config, weight.of(layout.vectors(parameters)), into.weight());
    }
    if (bias != null) {
      into.bias().copyFrom(bias.of(layout.vectors(parameters)));
    }
  }

  /** A norm's weight as it multiplies. */
  private static void copyWeight(DecoderConfig config, Tensor stored, Tensor weight) {
    weight.copyFrom(stored);
    for (long i = 0; config.norm().plusOne() && i < weight.size(); i++) {
      weight.set(i, 1 + weight.get(i));
    }
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
    Tensor stored = folder.weight(role, layer);
    Tensor weight = arena.allocate(kernels.wide(), stored.shape());
    copyWeight(folder.config(), stored, weight);
    return new Norm(
        weight,
        folder.bias(role, layer).map(bias -> copy(bias, kernels.wide(), arena)).orElse(null));
  }

  private static Tensor copy(Tensor from, DType type, TensorArena arena) {
    return arena.allocate(type, from.shape()).copyFrom(from);
  }
}
