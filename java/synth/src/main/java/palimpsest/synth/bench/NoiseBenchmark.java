package palimpsest.synth.bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.SecretKey;

/**
 * Rounded Gaussian integers: the kernel, and the Java stream that gives the same ones. They take
 * turns on one thread; times are processor times of that thread.
 */
public final class NoiseBenchmark {
  private static final int ELEMENTS = 1 << 22;
  private static final double SIGMA = 1 << 20;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private NoiseBenchmark() {}

  /**
   * @param done told the number of finished rounds
   * @return the kernel, then the Java stream
   */
  public static List<Measurement> run(CpuKernels kernels, int rounds, IntConsumer done) {
    double[] kernelSeconds = new double[rounds];
    double[] javaSeconds = new double[rounds];
    double[] ratios = new double[rounds];
    try (TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Tensor sums = arena.allocate(DType.I64, ELEMENTS);
      NoiseStream stream = new NoiseStream(key);
      // One round more than is counted: the first one warms up.
      for (int round = -1; round < rounds; round++) {
        long step = round + 1L;
        LongConsumer exact = e -> sums.setLong(e, sums.getLong(e) + stream.exact(e, step, SIGMA));
        double kernel =
            time(() -> kernels.noise().accumulate(sums, 0, key.words(), step, SIGMA, exact));
        double java =
            time(() -> stream.addTo(sums.data().asSlice(0, 8L * ELEMENTS), 0, step, SIGMA));
        if (round >= 0) {
          kernelSeconds[round] = kernel;
          javaSeconds[round] = java;
          ratios[round] = java / kernel;
          done.accept(round + 1);
        }
      }
    }
    return List.of(
        measured("noise kernel " + kernels.tier(), kernelSeconds),
        measured("noise Java", javaSeconds).withRatio(Spread.of(ratios).median()));
  }

  private static double time(Runnable run) {
    long start = THREADS.getCurrentThreadCpuTime();
    run.run();
    return (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
  }

  private static Measurement measured(String name, double[] seconds) {
    Spread spread = Spread.of(seconds);
    return Measurement.of(
        name + " n " + ELEMENTS,
        "i64",
        1,
        spread,
        1e9 * spread.median() / ELEMENTS,
        "ns/element",
        seconds.length + " rounds by processor time");
  }
}
