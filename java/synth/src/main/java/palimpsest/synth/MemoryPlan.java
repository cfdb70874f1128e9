package palimpsest.synth;

import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.ExampleGradients;

/**
 * What a training run holds in memory, from public figures alone.
 *
 * @param weights packed base weights, once for the forward and once for the backward products
 * @param gradients buffers of the passes and of per-example gradients, one set a worker
 * @param training integer sums, the trained parameters and the optimizer's moments
 * @param runtime the Java heap and the program itself
 */
public record MemoryPlan(long weights, long gradients, long training, long runtime) {
  private static final long RUNTIME_BYTES = 200L << 20;

  /** The plan of a run. */
  public static MemoryPlan of(RunPlan plan, DecoderConfig model, ExecutionSpec asked) {
    return of(plan.tuning().method(), plan.longestSequence(), model, asked);
  }

  /**
   * The plan of steps.
   *
   * @param longest tokens of the longest sequence, a soft prompt's included
   */
  public static MemoryPlan of(
      TuningMethod method, int longest, DecoderConfig model, ExecutionSpec asked) {
    ExecutionSpec execution = asked.forLength(longest);
    try (Kernels kernels = Synthesis.kernels(execution)) {
      long parameters = method.parameterCount(model);
      long embedding = (long) model.vocabularySize() * model.width();
      long linear = model.parameterCount() - (model.tiedHead() ? 0 : embedding);
      return new MemoryPlan(
          kernels.compute().bytes() * (2 * linear + embedding),
          execution.workers()
              * ExampleGradients.bytes(
                  model,
                  kernels,
                  method,
                  execution.groupRows(),
                  execution.groupExamples(),
                  execution.recompute()),
          sums(method, parameters, execution.workers())
              + 2 * kernels.wide().bytes() * parameters
              + parameters(method, model, kernels),
          RUNTIME_BYTES);
    }
  }

  /** Workers share a sum of all weights, and have one each of fewer parameters. */
  private static long sums(TuningMethod method, long size, int workers) {
    return method instanceof TuningMethod.Full
        ? DType.I32.bytes() * size
        : (workers + 1) * DType.I64.bytes() * size;
  }

  /** The parameters, and what the kernels read of them if it is not the model's own weights. */
  private static long parameters(TuningMethod method, DecoderConfig model, Kernels kernels) {
    long wide = kernels.wide().bytes() * method.parameterCount(model);
    return switch (method) {
      case TuningMethod.Lora lora -> {
        try (TensorArena arena = new TensorArena()) {
          new Adapter(model, lora.rank(), lora.alpha(), lora.targets(model), kernels, arena);
          yield arena.bytes();
        }
      }
      case TuningMethod.Prompt _, TuningMethod.Bias _ -> 2 * wide;
      case TuningMethod.Full _ -> wide;
    };
  }

  /** All of it. */
  public long bytes() {
    return weights + gradients + training + runtime;
  }
}
