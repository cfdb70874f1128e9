package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.tensor.DType;

/**
 * The roof: the multiply-add rate of registers alone, on several threads at the same time. Taken
 * right before and after a workload, it tells how much of the machine was there just then.
 */
public final class PeakProbe implements AutoCloseable {
  private static final double SLICE_SECONDS = 0.001;

  private final CpuTier tier;
  private final boolean bf16;
  private final int workers;
  private final ExecutorService threads;

  /** The roof of {@code kernels}: their tier and compute type. */
  public PeakProbe(CpuKernels kernels, int workers) {
    this(kernels.tier(), kernels.compute(), workers);
  }

  /**
   * @param type BF16 or F32
   * @param workers threads that are probed together
   */
  public PeakProbe(CpuTier tier, DType type, int workers) {
    this.tier = tier;
    this.bf16 = type == DType.BF16;
    this.workers = workers;
    threads =
        Executors.newFixedThreadPool(
            workers,
            task -> {
              Thread thread = new Thread(task, "palimpsest-probe");
              thread.setDaemon(true);
              return thread;
            });
  }

  public int workers() {
    return workers;
  }

  /** GFLOP/s of all workers together over so many seconds. */
  public double all(double seconds) {
    CountDownLatch ready = new CountDownLatch(workers);
    Callable<Double> probe =
        () -> {
          ready.countDown();
          ready.await();
          return CpuLibrary.get().peak(tier, bf16, seconds);
        };
    List<Future<Double>> running = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      running.add(threads.submit(probe));
    }
    double total = 0;
    for (Future<Double> rate : running) {
      total += get(rate);
    }
    return total;
  }

  /**
   * GFLOP/s of one thread alone: the best of short slices, since on a busy machine only some of
   * them have a core to themselves.
   */
  public double one(int slices) {
    double best = 0;
    for (int i = 0; i < slices; i++) {
      best = Math.max(best, CpuLibrary.get().peak(tier, bf16, SLICE_SECONDS));
    }
    return best;
  }

  private static double get(Future<Double> rate) {
    try {
      return rate.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the probe was interrupted", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException("the probe failed", e.getCause());
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
