package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.model.DecoderWeights.Layer;
import palimpsest.engine.model.DecoderWeights.Norm;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** An encoder's own weights, packed for a provider. */
final class EncoderWeights {
  final Tensor embedding;

  /** Positions, and the first segment in each of them: a text alone is all of that segment. */
  final Tensor positions;

  final Norm embeddingNorm;
  final List<Layer> layers = new ArrayList<>();

  /**
   * Copies every weight out of the folder, which may be closed afterwards.
   *
   * @param backward whether gradients will be asked for
   */
  EncoderWeights(EncoderFolder folder, Kernels kernels, boolean backward, TensorArena arena) {
    EncoderConfig config = folder.config();
    Tensor stored = folder.weight(Role.EMBEDDING, 0);
    embedding = arena.allocate(kernels.compute(), stored.shape()).copyFrom(stored);
    positions = positions(folder, kernels, arena);
    embeddingNorm = norm(folder, Role.EMBEDDING_NORM, 0, kernels, arena);
    for (int layer = 0; layer < config.layers(); layer++) {
      Map<Role, LinearWeights> linear = new EnumMap<>(Role.class);
      for (Role role : Adapter.linearRoles(config)) {
        Tensor bias = folder.bias(role, layer).orElseThrow();
        linear.put(role, kernels.linear().pack(folder.weight(role, layer), bias, backward, arena));
      }
      layers.add(
          new Layer(
              norm(folder, Role.ATTENTION_NORM, layer, kernels, arena),
              norm(folder, Role.FEED_FORWARD_NORM, layer, kernels, arena),
              linear));
    }
  }

  /** Added before they are rounded. */
  private static Tensor positions(EncoderFolder folder, Kernels kernels, TensorArena arena) {
    Tensor stored = folder.weight(Role.POSITIONS, 0);
    Tensor segments = folder.weight(Role.SEGMENTS, 0);
    Tensor positions = arena.allocate(kernels.compute(), stored.shape());
    for (long p = 0; p < stored.rows(); p++) {
      for (long i = 0; i < stored.cols(); i++) {
        positions.set(p, i, stored.get(p, i) + segments.get(0, i));
      }
    }
    return positions;
  }

  private static Norm norm(
      EncoderFolder folder, Role role, int layer, Kernels kernels, TensorArena arena) {
    Tensor weight = folder.weight(role, layer);
    Tensor bias = folder.bias(role, layer).orElseThrow();
    return new Norm(
        arena.allocate(kernels.wide(), weight.shape()).copyFrom(weight),
        arena.allocate(kernels.wide(), bias.shape()).copyFrom(bias));
  }
}
