package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What an optimizer keeps from step to step, and how it moves the parameters by a step's sum of
 * gradients. It sees that sum and nothing else of the gradients, and neither how the sum is cut
 * into pieces nor who takes which changes a bit of what comes of it.
 */
public abstract sealed class OptimizerState permits MomentState, FactoredState {
  /** Parameters [from, to) that decay, or that do not. */
  private record Stretch(long from, long to, boolean decays) {}

  private final List<Stretch> stretches = new ArrayList<>();

  OptimizerState(List<ParameterBlock> blocks) {
    for (ParameterBlock block : blocks) {
      long from = block.offset();
      if (!stretches.isEmpty() && stretches.getLast().decays == block.decays()) {
        from = stretches.removeLast().from;
      }
      stretches.add(new Stretch(from, block.offset() + block.size(), block.decays()));
    }
  }

  /**
   * At the start of training.
   *
   * @param settings of which optimizer, and whether it has a first moment
   * @param blocks all parameters
   * @param arena holds all that is kept or needed in a step
   */
  public static OptimizerState of(
      Optimizer.Settings settings,
      List<ParameterBlock> blocks,
      Kernels kernels,
      TensorArena arena) {
    return switch (settings) {
      case Optimizer.Sgd _, Optimizer.Adaptive _ ->
          new MomentState(settings, blocks, kernels, arena);
      case Optimizer.Adafactor adafactor -> new FactoredState(adafactor, blocks, kernels, arena);
    };
  }

  /** Numbers of all blocks together. */
  static long size(List<ParameterBlock> blocks) {
    return blocks.stream().mapToLong(ParameterBlock::size).sum();
  }

  /** Bytes that {@link #of} takes. */
  public static long bytes(
      Optimizer.Settings settings, List<ParameterBlock> blocks, Kernels kernels) {
    return switch (settings) {
      case Optimizer.Sgd _, Optimizer.Adaptive _ ->
          MomentState.moments(settings) * kernels.wide().bytes() * size(blocks);
      case Optimizer.Adafactor adafactor -> FactoredState.bytes(adafactor, blocks, kernels);
    };
  }

  /** What training goes on from, by name. */
  public final SequencedMap<String, Tensor> tensors() {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    putTensors(tensors);
    return tensors;
  }

  abstract void putTensors(SequencedMap<String, Tensor> tensors);

  /**
   * What can be done with a piece of the sum alone; called from several threads, once for every
   * piece.
   *
   * @param sums [n]: I64, I32 or wide
   * @param first number of the first of them
   * @param scale turns a sum into an average gradient
   * @param settings of this step
   * @param step from 1
   * @param parameters wide, all of them; those of the piece are updated
   */
  public abstract void update(
      Tensor sums,
      long first,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters);

  /**
   * What takes the whole sum, when {@link #update} has had every piece.
   *
   * @param workers share the work
   * @param sums all
   */
  public abstract void end(
      Workers workers,
      Tensor sums,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters);

  /** Takes elements [first, first + count) in stretches that decay alike. */
  final void overStretches(
      long first, long count, Optimizer.Settings settings, StretchUpdate update) {
    if (settings.weightDecay() == 0) {
      update.of(first, count, settings);
      return;
    }
    for (Stretch stretch : stretches) {
      long from = Math.max(first, stretch.from);
      long to = Math.min(first + count, stretch.to);
      if (from < to) {
        update.of(from, to - from, stretch.decays ? settings : settings.withoutDecay());
      }
    }
  }

  /** The update of a stretch. */
  @FunctionalInterface
  interface StretchUpdate {
    void of(long first, long count, Optimizer.Settings settings);
  }
}
