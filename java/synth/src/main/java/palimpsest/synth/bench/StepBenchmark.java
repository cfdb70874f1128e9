package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.OptimizerKind;

/** A private training step against the same step without privacy, and against the machine. */
public final class StepBenchmark {
  /** A step's two kinds. */
  public enum Kind {
    PRIVATE("private"),
    NON_PRIVATE("non-private");

    private final String id;

    Kind(String id) {
      this.id = id;
    }

    @Override
    public String toString() {
      return id;
    }

    private Runnable of(TuningStep step) {
      return this == PRIVATE ? step::privateStep : step::publicStep;
    }
  }

  private StepBenchmark() {}

  /**
   * Measures steps in turns; a private one beside one without privacy is also given as a ratio.
   *
   * @param model its name, for the report
   * @param kinds which steps; one alone shows its own peak of memory
   * @param rounds how often
   * @param done told the number of finished rounds
   * @return a figure for each of {@code kinds}
   */
  public static List<Measurement> run(
      String model,
      TunedDecoder tuned,
      CpuKernels kernels,
      TuningStep.Shape shape,
      List<Kind> kinds,
      int rounds,
      IntConsumer done) {
    try (TuningStep step = new TuningStep(tuned, shape);
        PeakProbe probe = new PeakProbe(kernels, shape.workers())) {
      Bracketed timing =
          Bracketed.run(probe, rounds, kinds.stream().map(kind -> kind.of(step)).toList(), done);
      double flops =
          shape.tokens()
              * new StepFlops(tuned.decoder().config()).of(shape.method(), shape.length());
      String name =
          "%s %s T=%d batch %d%s"
              .formatted(
                  method(shape.method()),
                  model,
                  shape.length(),
                  shape.examples(),
                  optimizer(shape.optimizer()) + (shape.recompute() ? " recomputed" : ""));
      List<Measurement> measured = new ArrayList<>();
      for (int i = 0; i < kinds.size(); i++) {
        int yardstick = kinds.get(i) == Kind.PRIVATE ? kinds.indexOf(Kind.NON_PRIVATE) : -1;
        measured.add(
            measured(name + " " + kinds.get(i), i, yardstick, timing, kernels, shape, flops));
      }
      return measured;
    }
  }

  private static String method(TuningMethod method) {
    return switch (method) {
      case TuningMethod.Lora lora -> lora.id() + " r=" + lora.rank();
      case TuningMethod.Full full when full.norms() == Norms.SKETCHED -> full.id() + " sketched";
      default -> method.id();
    };
  }

  /** Rows of results that name none are AdamW's. */
  private static String optimizer(Optimizer.Settings settings) {
    OptimizerKind kind = OptimizerKind.of(settings);
    return kind == OptimizerKind.ADAMW ? "" : " " + kind.id();
  }

  private static Measurement measured(
      String name,
      int workload,
      int yardstick,
      Bracketed timing,
      CpuKernels kernels,
      TuningStep.Shape shape,
      double flops) {
    Spread seconds = timing.seconds(workload);
    String type = kernels.compute().name().toLowerCase(Locale.ROOT) + " " + kernels.tier();
    Measurement measured =
        Measurement.of(
                name,
                type,
                shape.workers(),
                seconds,
                flops / seconds.median() / 1e9,
                "GFLOP/s",
                quality(timing, workload, yardstick, flops))
            .withRoof(timing.peak(workload).median(), timing.fraction(workload, flops).median())
            .withTokens(shape.tokens() / seconds.median(), PeakMemory.megabytes());
    return yardstick < 0
        ? measured
        : measured.withRatio(timing.ratio(workload, yardstick).median());
  }

  private static String quality(Bracketed timing, int workload, int yardstick, double flops) {
    String quality =
        "%s; by processor time %.2f of one thread's %.0f GFLOP/s"
            .formatted(
                timing.quality(),
                timing.processorFraction(workload, flops).median(),
                timing.onePeak());
    return yardstick < 0
        ? quality
        : quality
            + " and %.3f times its yardstick"
                .formatted(timing.processorRatio(workload, yardstick).median());
  }
}
