package palimpsest.synth.bench;

import java.util.List;
import java.util.function.IntConsumer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;

/** Rounded Gaussian integers: the kernel, and the Java stream that gives the same ones. */
public final class NoiseBenchmark {
  private static final int ELEMENTS = 1 << 20;
  private static final double SIGMA = 1 << 20;

  private NoiseBenchmark() {}

  /**
   * @param done told the number of finished rounds
   * @return the kernel, then the Java stream
   */
  public static List<Measurement> run(CpuKernels kernels, int rounds, IntConsumer done) {
    try (TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.fromOperatingSystem();
        PeakProbe probe = new PeakProbe(kernels.tier(), DType.F32, 1)) {
      Tensor sums = arena.allocate(DType.I64, ELEMENTS);
      NoiseStream stream = new NoiseStream(key);
      long[] step = {0};
      Runnable kernel =
          () ->
              kernels
                  .noise()
                  .accumulate(
                      sums,
                      0,
                      key.words(),
                      ++step[0],
                      SIGMA,
                      e -> sums.setLong(e, sums.getLong(e) + stream.exact(e, step[0], SIGMA)));
      Runnable java =
          () -> stream.addTo(sums.data().asSlice(0, 8L * ELEMENTS), 0, ++step[0], SIGMA);
      Bracketed timing = Bracketed.run(probe, rounds, List.of(kernel, java), done);
      return List.of(
          measured("noise kernel " + kernels.tier(), 0, timing),
          measured("noise Java", 1, timing).withRatio(timing.ratio(1, 0).median()));
    }
  }

  private static Measurement measured(String name, int workload, Bracketed timing) {
    Spread seconds = timing.seconds(workload);
    return Measurement.of(
        name + " n " + ELEMENTS,
        "i64",
        1,
        seconds,
        1e9 * seconds.median() / ELEMENTS,
        "ns/element",
        timing.quality());
  }
}
