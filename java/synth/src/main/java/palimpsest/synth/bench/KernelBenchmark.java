package palimpsest.synth.bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;

/**
 * Single kernels on the shapes of real models, on one thread, each between two probes. Times are
 * processor times of the thread: on a quiet machine the same as those of a clock, on a busy one
 * still those of the kernel.
 */
public final class KernelBenchmark implements AutoCloseable {
  private static final int[] ROWS = {64, 256};
  private static final Map<String, DecoderConfig> MODELS =
      new TreeMap<>(Map.of("gpt2", RandomModel.gpt2(), "smollm2", RandomModel.smollm2()));

  /** How often the caller of {@link #run} is told of progress. */
  public static final int SETS = MODELS.size() * ROWS.length + 1;

  /** Trained parameters of SmolLM2 with adapters of rank 8 on all linear layers. */
  private static final long ADAPTER_SIZE = 2_442_240;

  /** A matrix of SmolLM2's size that no cache holds with its moments. */
  private static final int MATRIX_ROWS = 4096;

  private static final int MATRIX_COLS = 576;

  /** Calls are repeated until a turn takes this long. */
  private static final double TURN_SECONDS = 0.02;

  private static final int SLICES = 20;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  /** Cores that others may use before a result says so. */
  private static final double NOTABLE_OTHERS = 0.15;

  private final CpuKernels kernels;
  private final int rounds;
  private final PeakProbe compute;
  private final PeakProbe float32;
  private final CopyProbe copy = new CopyProbe();
  private final Neighbours neighbours = new Neighbours(Path.of("/proc"));

  /**
   * @param rounds turns of each kernel
   */
  public KernelBenchmark(CpuKernels kernels, int rounds) {
    this.kernels = kernels;
    this.rounds = rounds;
    compute = new PeakProbe(kernels, 1);
    float32 = new PeakProbe(kernels.tier(), DType.F32, 1);
  }

  /**
   * Measures all kernels whose name contains {@code filter}.
   *
   * @param done told how many of {@link #SETS} sets of kernels are finished
   */
  public List<Measurement> run(String filter, IntConsumer done) {
    List<Measurement> measured = new ArrayList<>();
    int sets = 0;
    for (Map.Entry<String, DecoderConfig> model : MODELS.entrySet()) {
      for (int rows : ROWS) {
        try (TensorArena arena = new TensorArena()) {
          measure(
              KernelCases.of(model.getKey(), model.getValue(), kernels, rows, filter, arena),
              filter,
              measured);
        }
        done.accept(++sets);
      }
    }
    try (TensorArena arena = new TensorArena()) {
      measure(KernelCases.ofParameters(kernels, ADAPTER_SIZE, filter, arena), filter, measured);
    }
    try (TensorArena arena = new TensorArena()) {
      measure(
          KernelCases.ofUpdates(kernels, MATRIX_ROWS, MATRIX_COLS, filter, arena),
          filter,
          measured);
    }
    done.accept(SETS);
    return measured;
  }

  private void measure(List<KernelCase> cases, String filter, List<Measurement> measured) {
    for (KernelCase kernel : cases) {
      if (kernel.name().contains(filter)) {
        measured.add(measure(kernel));
      }
    }
  }

  private double probe(KernelCase.Roof roof) {
    return switch (roof) {
      case COMPUTE -> compute.one(SLICES);
      case FLOAT32 -> float32.one(SLICES);
      case COPY -> copy.one();
    };
  }

  Measurement measure(KernelCase kernel) {
    int repeats = repeats(kernel.run());
    double[] seconds = new double[rounds];
    double[] roofs = new double[rounds];
    double[] fractions = new double[rounds];
    neighbours.start();
    double before = probe(kernel.roof());
    for (int round = 0; round < rounds; round++) {
      seconds[round] = time(kernel.run(), repeats) / repeats;
      double after = probe(kernel.roof());
      roofs[round] = (before + after) / 2;
      fractions[round] = kernel.work() / seconds[round] / 1e9 / roofs[round];
      before = after;
    }
    Spread spread = Spread.of(seconds);
    return Measurement.of(
            kernel.name(),
            kernels.compute().name().toLowerCase(Locale.ROOT) + " " + kernels.tier(),
            1,
            spread,
            kernel.work() / spread.median() / 1e9,
            kernel.roof().unit(),
            quality(repeats, neighbours.cores()))
        .withRoof(Spread.of(roofs).median(), Spread.of(fractions).median());
  }

  private String quality(int repeats, double others) {
    String turns = rounds + " rounds of " + repeats;
    return others <= NOTABLE_OTHERS
        ? turns
        : turns + "; other processes used %.1f cores".formatted(others);
  }

  private static int repeats(Runnable run) {
    run.run();
    int repeats = 1;
    while (time(run, repeats) < TURN_SECONDS && repeats < 1 << 20) {
      repeats *= 2;
    }
    return repeats;
  }

  private static double time(Runnable run, int repeats) {
    long start = THREADS.getCurrentThreadCpuTime();
    for (int i = 0; i < repeats; i++) {
      run.run();
    }
    return (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
  }

  @Override
  public void close() {
    compute.close();
    float32.close();
    copy.close();
  }
}
