package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.BiasVectors;
import palimpsest.engine.model.SoftPrompt;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.WeightLayout;

/**
 * Which parameters are clipped together where each layer is clipped by itself. Every parameter is
 * in one group: those of a block of the model are one, a soft prompt is one. Of all weights, the
 * matrices outside the blocks (embeddings, output layer) are one, and so are the vectors of all
 * blocks, norms and biases, which enter a sum as one part.
 */
final class ClipGroups {
  /**
   * A stretch of the flat parameters.
   *
   * @param offset of its first
   */
  record Stretch(long offset, long size) {}

  private ClipGroups() {}

  /** All of so many parameters. */
  static List<Stretch> one(long size) {
    return List.of(new Stretch(0, size));
  }

  /**
   * Those of what a decoder is tuned by, in order.
   *
   * @throws IllegalArgumentException for all weights, which have no stretches
   */
  static List<Stretch> of(Trainable tuned) {
    return switch (tuned) {
      case Adapter adapter -> {
        TreeMap<Integer, Long> offsets = new TreeMap<>();
        adapter.sites().forEach(site -> offsets.merge(site.layer(), site.offset(), Math::min));
        yield stretches(offsets, tuned.size());
      }
      case BiasVectors biases -> {
        TreeMap<Integer, Long> offsets = new TreeMap<>();
        biases.sites().forEach(site -> offsets.merge(site.layer(), site.offset(), Math::min));
        yield stretches(offsets, tuned.size());
      }
      case SoftPrompt _ -> one(tuned.size());
      case AllWeights _ -> throw new IllegalArgumentException("all weights lie in parts");
    };
  }

  /** Layers lie one after the other. */
  private static List<Stretch> stretches(TreeMap<Integer, Long> offsets, long size) {
    List<Stretch> all = new ArrayList<>();
    for (Map.Entry<Integer, Long> layer : offsets.entrySet()) {
      Map.Entry<Integer, Long> next = offsets.higherEntry(layer.getKey());
      long end = next == null ? size : next.getValue();
      all.add(new Stretch(layer.getValue(), end - layer.getValue()));
    }
    return List.copyOf(all);
  }

  /** The group of each part of all weights, from 0, in the order of the layout's parts. */
  static int[] of(WeightLayout layout) {
    Map<Integer, Integer> numbers = new TreeMap<>();
    List<Integer> groups = new ArrayList<>();
    for (WeightLayout.Matrix matrix : layout.matrices()) {
      int block = matrix.role().perLayer() ? matrix.layer() : -1;
      groups.add(numbers.computeIfAbsent(block, _ -> numbers.size()));
    }
    if (layout.vectorsSize() > 0) {
      groups.add(numbers.size());
    }
    return groups.stream().mapToInt(Integer::intValue).toArray();
  }
}
