package palimpsest.synth;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.TuningMethod;
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
    ExecutionSpec execution = asked.forLength(plan.longestSequence());
    try (Kernels kernels = Synthesis.kernels(execution);
        TensorArena arena = new TensorArena()) {
      TuningMethod method = plan.tuning().method();
      int rows = execution.groupRows();
      new Activations(
          model, kernels, rows, rows, method.rank(), Activations.Purpose.BACKWARD, arena);
      long perWorker = arena.bytes();
      long size = plan.parameters();
      long wide = kernels.wide().bytes() * size;
      long sum = DType.I64.bytes() * size;
      long workers = execution.workers();
      long embedding = (long) model.vocabularySize() * model.width();
      long linear = model.parameterCount() - (model.tiedHead() ? 0 : embedding);
      return new MemoryPlan(
          kernels.compute().bytes() * (2 * linear + embedding),
          workers * perWorker,
          workers * (execution.groupExamples() * wide + sum)
              + sum
              + 2 * wide
              + parameters(method, model, kernels),
          RUNTIME_BYTES);
    }
  }

  /** The parameters, and their copy in the form that the kernels read. */
  private static long parameters(TuningMethod method, DecoderConfig model, Kernels kernels) {
    if (method instanceof TuningMethod.Lora lora) {
      try (TensorArena arena = new TensorArena()) {
        new Adapter(model, lora.rank(), lora.alpha(), lora.targets(model), kernels, arena);
        return arena.bytes();
      }
    }
    return 2 * kernels.wide().bytes() * method.parameterCount(model);
  }

  /** All of it. */
  public long bytes() {
    return weights + activations + gradients + runtime;
  }
}
