package palimpsest.engine.parallel;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/** A fixed number of threads that do one job together. */
public final class Workers implements AutoCloseable {
  /** One thread's part of a job. */
  @FunctionalInterface
  public interface Part {
    /**
     * @param worker 0 .. count - 1
     * @param stopped whether another part failed, so that this one should end early
     */
    void run(int worker, BooleanSupplier stopped);
  }

  private final int count;
  private final ExecutorService threads;
  private volatile boolean stopped;

  /**
   * @param count how many threads
   * @param name of the threads, as tools show it
   */
  public Workers(int count, String name) {
    if (count < 1) {
      throw new IllegalArgumentException("at least one worker is needed, not " + count);
    }
    this.count = count;
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            count,
            count,
            0,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> {
              Thread thread = new Thread(task, name);
              thread.setDaemon(true);
              return thread;
            });
    // Now, when nothing has begun: a thread that cannot be had must not stop a job midway.
    pool.prestartAllCoreThreads();
    threads = pool;
  }

  public int count() {
    return count;
  }

  /**
   * Runs every worker's part and waits for all of them, even when one fails or the caller is
   * interrupted: nothing of the job goes on afterwards.
   *
   * @throws IllegalStateException if the caller is interrupted; what a part threw, if one failed
   */
  public void run(Part part) {
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
      throw new IllegalStateException("interrupted before the job was done");
    }
    switch (failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException("a worker failed", failure);
    }
  }

  /** A part of something that is cut into pieces. */
  @FunctionalInterface
  public interface Piece {
    /**
     * @param first its first element
     * @param count of its elements
     */
    void run(long first, long count);
  }

  /**
   * Takes {@code size} elements in pieces of {@code piece}, the last perhaps shorter: each worker
   * takes the next when it is done.
   */
  public void overPieces(long size, long piece, Piece body) {
    AtomicLong next = new AtomicLong();
    run((_, stopped) -> {
      for (long first = next.getAndAdd(piece);
          first < size && !stopped.getAsBoolean();
          first = next.getAndAdd(piece)) {
        body.run(first, Math.min(piece, size - first));
      }
    });
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
