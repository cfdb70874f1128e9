package palimpsest.synth;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;

/**
 * What a training run holds in memory, from public figures alone.
 *
 * @param weights packed base weights, once for the forward and once for the backward products
 * @param activations buffers of the passes, one set a worker
 * @param gradients per-example gradients and integer sums of all workers, parameters and moments
 * @param runtime the Java heap and the program itself
 */
public record MemoryPlan(long weights, long activations, long gradients, long runtime) {
  private static final long RUNTIME_BYTES = 200L << 20;

  /** The plan of a run. */
  public static MemoryPlan of(RunPlan plan, DecoderConfig model, ExecutionSpec asked) {
    ExecutionSpec execution = asked.forLength(plan.maxTokens());
    try (Kernels kernels = Synthesis.kernels(execution);
        TensorArena arena = new TensorArena()) {
      TuningSpec tuning = plan.tuning();
      Adapter adapter =
          new Adapter(model, tuning.rank(), tuning.alpha(), tuning.targets(model), kernels, arena);
      long before = arena.bytes();
      int rows = execution.groupRows();
      new Activations(model, kernels, rows, rows, tuning.rank(), true, arena);
      long perWorker = arena.bytes() - before;
      long wide = kernels.wide().bytes() * adapter.size();
      long sum = DType.I64.bytes() * adapter.size();
      long workers = execution.workers();
      long embedding = (long) model.vocabularySize() * model.width();
      long linear = model.parameterCount() - (model.tiedHead() ? 0 : embedding);
      return new MemoryPlan(
          kernels.compute().bytes() * (2 * linear + embedding),
          workers * perWorker,
          workers * (execution.groupExamples() * wide + sum) + sum + 3 * wide + before,
          RUNTIME_BYTES);
    }
  }

  /** All of it. */
  public long bytes() {
    return weights + activations + gradients + runtime;
  }
}
