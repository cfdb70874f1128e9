package palimpsest.synth;

import java.util.ArrayList;
import java.util.List;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.train.OptimizerState;

/**
 * What a training run holds in memory, from public figures alone.
 *
 * @param weights packed base weights, once for the forward and once for the backward products
 * @param loading the model's files, whose pages count while the weights are packed; they are let go
 *     of before there is anything else
 * @param gradients buffers of the passes and of per-example gradients, one set a worker
 * @param training integer sums, the trained parameters and what the optimizer keeps and needs
 * @param sampling in the place of gradients and sums, when training is over: keys and values of all
 *     texts that are written side by side, and what is kept of training
 * @param runtime the Java heap and the program itself
 */
public record MemoryPlan(
    long weights, long loading, long gradients, long training, long sampling, long runtime) {
  private static final long RUNTIME_BYTES = 200L << 20;

  /**
   * The pretrained model.
   *
   * @param files bytes of its weights as they lie on disk
   */
  public record Base(DecoderConfig config, long files) {
    /** What a folder holds. */
    public static Base of(ModelFolder folder) {
      return new Base(folder.config(), folder.bytes());
    }
  }

  /** The plan of a run. */
  public static MemoryPlan of(RunPlan plan, Base model, ExecutionSpec asked) {
    TuningSpec tuning = plan.tuning();
    ExecutionSpec execution = asked.forLength(plan.longestSequence());
    try (Kernels kernels = Synthesis.kernels(execution)) {
      Steps steps = new Steps(tuning.method(), tuning.optimizer().settings(), model, kernels);
      return steps
          .plan(execution.workers(), steps.gradients(execution))
          .withSampling(steps.sampling(execution, plan.longestSequence()));
    }
  }

  /**
   * The plan of steps alone.
   *
   * @param longest tokens of the longest sequence, a soft prompt's included
   */
  public static MemoryPlan of(
      TuningMethod method,
      Optimizer.Settings optimizer,
      int longest,
      Base model,
      ExecutionSpec asked) {
    ExecutionSpec execution = asked.forLength(longest);
    try (Kernels kernels = Synthesis.kernels(execution)) {
      Steps steps = new Steps(method, optimizer, model, kernels);
      return steps.plan(execution.workers(), steps.gradients(execution));
    }
  }

  /**
   * The fastest way of running that fits a limit: as many workers as asked for, if they fit with
   * any groups, of which the largest are taken; then as many texts side by side as fit. Nothing of
   * this changes a bit of a private result.
   *
   * @param asked the most of everything
   * @param limit bytes
   * @throws IllegalArgumentException if not even the smallest fits
   */
  public static ExecutionSpec fit(RunPlan plan, Base model, ExecutionSpec asked, long limit) {
    TuningSpec tuning = plan.tuning();
    int longest = plan.longestSequence();
    try (Kernels kernels = Synthesis.kernels(asked)) {
      Steps steps = new Steps(tuning.method(), tuning.optimizer().settings(), model, kernels);
      ExecutionSpec best = null;
      long least = Long.MAX_VALUE;
      for (ExecutionSpec group : groups(asked.forLength(longest), longest)) {
        long gradients = steps.gradients(group);
        least = Math.min(least, steps.plan(1, gradients).bytes());
        int workers = asked.workers();
        while (workers > 0 && steps.plan(workers, gradients).bytes() > limit) {
          workers--;
        }
        if (workers > (best == null ? 0 : best.workers())) {
          best = group.with(workers, group.groupRows(), group.groupExamples(), asked.streams());
        }
        if (workers == asked.workers()) {
          break;
        }
      }
      if (best == null) {
        throw tooLittle(limit, least);
      }
      return withStreams(steps, best, asked, longest, limit);
    }
  }

  private static IllegalArgumentException tooLittle(long limit, long least) {
    return new IllegalArgumentException(
        "a memory of %.2f GiB is too little: one worker with one record at a time takes %.2f"
            .formatted(gib(limit), gib(least)));
  }

  private static double gib(long bytes) {
    return bytes / (double) (1L << 30);
  }

  /** Groups of fewer and fewer tokens and records, those of most tokens first. */
  private static List<ExecutionSpec> groups(ExecutionSpec largest, int longest) {
    List<ExecutionSpec> groups = new ArrayList<>();
    for (int rows = largest.groupRows(); ; rows = Math.max(longest, rows / 2)) {
      for (int examples = largest.groupExamples(); examples > 0; examples /= 2) {
        groups.add(largest.with(1, rows, examples, 1));
      }
      if (rows == longest) {
        return groups;
      }
    }
  }

  private static ExecutionSpec withStreams(
      Steps steps, ExecutionSpec best, ExecutionSpec asked, int longest, long limit) {
    MemoryPlan training = steps.plan(best.workers(), steps.gradients(best));
    int share = (int) ((long) asked.streams() * best.workers() / asked.workers());
    for (int streams = Math.max(best.workers(), share); ; streams /= 2) {
      ExecutionSpec fitting =
          best.with(best.workers(), best.groupRows(), best.groupExamples(), streams);
      long bytes = training.withSampling(steps.sampling(fitting, longest)).bytes();
      if (bytes <= limit) {
        return fitting;
      }
      if (streams == 1) {
        throw tooLittle(limit, bytes);
      }
    }
  }

  private MemoryPlan withSampling(long bytes) {
    return new MemoryPlan(weights, loading, gradients, training, bytes, runtime);
  }

  /** Figures of the steps of one way of training. */
  private record Steps(
      TuningMethod method, Optimizer.Settings optimizer, Base base, Kernels kernels) {
    private DecoderConfig model() {
      return base.config();
    }

    /** One worker's buffers. */
    long gradients(ExecutionSpec execution) {
      return ExampleGradients.bytes(
          model(),
          kernels,
          method,
          execution.groupRows(),
          execution.groupExamples(),
          execution.recompute());
    }

    MemoryPlan plan(int workers, long gradients) {
      long embedding = (long) model().vocabularySize() * model().width();
      long linear = model().parameterCount() - (model().tiedHead() ? 0 : embedding);
      return new MemoryPlan(
          kernels.compute().bytes() * (2 * linear + embedding),
          base.files(),
          workers * gradients,
          sums(workers) + kept(),
          0,
          RUNTIME_BYTES);
    }

    private long size() {
      return method.parameterCount(model());
    }

    /** Workers share a sum of all weights, and have one each of fewer parameters. */
    private long sums(int workers) {
      return method instanceof TuningMethod.Full
          ? DType.I32.bytes() * size()
          : (workers + 1) * DType.I64.bytes() * size();
    }

    private long kept() {
      return OptimizerState.bytes(optimizer, method.blocks(model()), kernels) + parameters();
    }

    /** The parameters, and what the kernels read of them if it is not the model's own weights. */
    private long parameters() {
      long wide = kernels.wide().bytes() * size();
      return switch (method) {
        case TuningMethod.Lora lora -> {
          try (TensorArena arena = new TensorArena()) {
            new Adapter(model(), lora.rank(), lora.alpha(), lora.targets(model()), kernels, arena);
            yield arena.bytes();
          }
        }
        case TuningMethod.Prompt _, TuningMethod.Bias _ -> 2 * wide;
        case TuningMethod.Full _ -> wide;
      };
    }

    /** Keys, values and a forward pass of all texts that are written side by side. */
    long sampling(ExecutionSpec execution, int longest) {
      int rows = Math.ceilDiv(execution.streams(), execution.workers());
      long keys =
          2L * model().layers() * model().attention().keyWidth() * kernels.compute().bytes();
      try (TensorArena arena = TensorArena.counting()) {
        new Activations(
            model(),
            kernels,
            rows,
            Math.min(rows, Activations.HEAD_ROWS),
            method.rank(),
            Activations.Purpose.FORWARD,
            arena);
        return kept() + keys * longest * execution.streams() + execution.workers() * arena.bytes();
      }
    }
  }

  /** All of it, at most at one time. */
  public long bytes() {
    return weights + Math.max(loading, Math.max(gradients + training, sampling)) + runtime;
  }
}
