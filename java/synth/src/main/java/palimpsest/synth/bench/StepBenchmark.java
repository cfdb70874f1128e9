package palimpsest.synth.bench;

import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;

/** A private training step against the same step without privacy, and against the machine. */
public final class StepBenchmark {
  private static final int PRIVATE = 0;
  private static final int PUBLIC = 1;

  private StepBenchmark() {}

  /**
   * Measures both steps in turns.
   *
   * @param model its name, for the report
   * @param rounds how often
   * @param done told the number of finished rounds
   * @return the private step, then the other
   */
  public static List<Measurement> run(
      String model,
      TunedDecoder tuned,
      CpuKernels kernels,
      TuningStep.Shape shape,
      int rounds,
      IntConsumer done) {
    try (TuningStep step = new TuningStep(tuned, shape);
        PeakProbe probe = new PeakProbe(kernels, shape.workers())) {
      Bracketed timing =
          Bracketed.run(probe, rounds, List.of(step::privateStep, step::publicStep), done);
      double flops =
          shape.tokens()
              * new StepFlops(tuned.decoder().config()).of(shape.method(), shape.length());
      String name =
          "%s %s T=%d batch %d"
              .formatted(method(shape.method()), model, shape.length(), shape.examples());
      Measurement withPrivacy =
          measured(name + " private", PRIVATE, timing, kernels, shape, flops)
              .withRatio(timing.ratio(PRIVATE, PUBLIC).median());
      return List.of(
          withPrivacy, measured(name + " non-private", PUBLIC, timing, kernels, shape, flops));
    }
  }

  private static String method(TuningMethod method) {
    return method.rank() == 0 ? method.id() : method.id() + " r=" + method.rank();
  }

  private static Measurement measured(
      String name,
      int workload,
      Bracketed timing,
      CpuKernels kernels,
      TuningStep.Shape shape,
      double flops) {
    Spread seconds = timing.seconds(workload);
    String type = kernels.compute().name().toLowerCase(Locale.ROOT) + " " + kernels.tier();
    return Measurement.of(
            name,
            type,
            shape.workers(),
            seconds,
            flops / seconds.median() / 1e9,
            "GFLOP/s",
            quality(timing, workload, flops))
        .withRoof(timing.peak(workload).median(), timing.fraction(workload, flops).median())
        .withTokens(shape.tokens() / seconds.median(), PeakMemory.megabytes());
  }

  private static String quality(Bracketed timing, int workload, double flops) {
    String quality =
        "%s; by processor time %.2f of one thread's %.0f GFLOP/s"
            .formatted(
                timing.quality(),
                timing.processorFraction(workload, flops).median(),
                timing.onePeak());
    return workload == PUBLIC
        ? quality
        : quality
            + " and %.3f times its yardstick"
                .formatted(timing.processorRatio(PRIVATE, PUBLIC).median());
  }
}
