package palimpsest.engine.train;

import java.util.List;
import java.util.SequencedMap;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.ParameterBlock;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Optimizers that go element by element: SGD, Adam and AdamW. */
final class MomentState extends OptimizerState {
  private final Optimizer optimizer;

  /** Wide [P]: a velocity, or a moment of each order. */
  private final Tensor first;

  private final Tensor second;

  /** As {@link OptimizerState#of}. */
  MomentState(
      Optimizer.Settings settings,
      List<ParameterBlock> blocks,
      Kernels kernels,
      TensorArena arena) {
    super(blocks);
    optimizer = kernels.optimizer();
    int moments = moments(settings);
    long size = size(blocks);
    first = moments > 0 ? arena.allocate(kernels.wide(), size) : null;
    second = moments > 1 ? arena.allocate(kernels.wide(), size) : null;
  }

  /** How many are kept of each parameter. */
  static int moments(Optimizer.Settings settings) {
    return switch (settings) {
      case Optimizer.Sgd sgd -> sgd.momentum() == 0 ? 0 : 1;
      case Optimizer.Adaptive _ -> 2;
      case Optimizer.Adafactor _ ->
          throw new IllegalArgumentException("this optimizer keeps factors");
    };
  }

  @Override
  void putTensors(SequencedMap<String, Tensor> tensors) {
    if (first != null) {
      tensors.put("first_moment", first);
    }
    if (second != null) {
      tensors.put("second_moment", second);
    }
  }

  @Override
  public void update(
      Tensor sums,
      long from,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters) {
    overStretches(
        from,
        sums.size(),
        settings,
        (at, count, ofStretch) -> {
          Tensor part = sums.part(at - from, count);
          Tensor moved = parameters.part(at, count);
          switch (ofStretch) {
            case Optimizer.Sgd sgd ->
                optimizer.sgdUpdate(part, scale, sgd, moved, part(first, at, count));
            case Optimizer.Adaptive adaptive ->
                optimizer.update(
                    part,
                    scale,
                    adaptive,
                    step,
                    moved,
                    part(first, at, count),
                    part(second, at, count));
            case Optimizer.Adafactor _ ->
                throw new IllegalArgumentException("this is another optimizer's state");
          }
        });
  }

  private static Tensor part(Tensor all, long from, long count) {
    return all == null ? null : all.part(from, count);
  }

  /** Every element was updated when its piece came. */
  @Override
  public void end(
      Workers workers,
      Tensor sums,
      double scale,
      Optimizer.Settings settings,
      long step,
      Tensor parameters) {}
}
