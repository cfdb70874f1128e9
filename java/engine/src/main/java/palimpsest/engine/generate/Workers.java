package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;

/** A fixed number of threads that do one job together. */
final class Workers implements AutoCloseable {
  /** One thread's part of a job. */
  @FunctionalInterface
  interface Part {
    /**
     * @param worker 0 .. count - 1
     * @param stopped whether another part failed, so that this one should end early
     */
    void run(int worker, BooleanSupplier stopped);
  }

  private final int count;
  private final ExecutorService threads;
  private volatile boolean stopped;

  Workers(int count) {
    this.count = count;
    threads =
        Executors.newFixedThreadPool(
            count,
            task -> {
              Thread thread = new Thread(task, "palimpsest-generate");
              thread.setDaemon(true);
              return thread;
            });
  }

  int count() {
    return count;
  }

  /**
   * Runs every worker's part and waits for all of them, even when one fails or the caller is
   * interrupted: nothing of the job goes on afterwards.
   */
  void run(Part part) {
    stopped = false;
    List<Future<?>> running = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int worker = i;
      running.add(threads.submit(() -> guarded(part, worker)));
    }
    Throwable failure = null;
    boolean interrupted = false;
    for (int i = 0; i < count; ) {
      try {
        running.get(i).get();
        i++;
      } catch (ExecutionException e) {
        failure = failure == null ? e.getCause() : failure;
        i++;
      } catch (InterruptedException e) {
        interrupted = true;
        stopped = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted before all texts were done");
    }
    switch (failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException("a worker failed", failure);
    }
  }

  private void guarded(Part part, int worker) {
    boolean done = false;
    try {
      part.run(worker, () -> stopped);
      done = true;
    } finally {
      if (!done) {
        stopped = true;
      }
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
