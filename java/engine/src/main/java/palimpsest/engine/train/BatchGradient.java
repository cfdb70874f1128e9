package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import palimpsest.engine.model.TokenGroup;

/**
 * The clipped sum over a batch, by several workers. A batch is cut into groups of whole examples;
 * each worker takes the next group when it is done, and no worker waits for another inside a pass.
 * The sum's bits depend neither on the workers nor on the groups.
 */
public final class BatchGradient implements AutoCloseable {
  private final List<ExampleGradients> workers = new ArrayList<>();
  private final List<ClippedSum> partial = new ArrayList<>();
  private final ExecutorService threads;

  /**
   * @param workers how many threads
   * @param gradients makes a worker's buffers
   * @param sums makes a worker's empty sum
   */
  public BatchGradient(
      int workers, Supplier<ExampleGradients> gradients, Supplier<ClippedSum> sums) {
    if (workers < 1) {
      throw new IllegalArgumentException("at least one worker is needed, not " + workers);
    }
    for (int i = 0; i < workers; i++) {
      this.workers.add(gradients.get());
      partial.add(sums.get());
    }
    threads =
        Executors.newFixedThreadPool(
            workers,
            task -> {
              Thread thread = new Thread(task, "palimpsest-gradient");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Replaces {@code total} by the sum of the batch's clipped gradients.
   *
   * @throws IllegalStateException if a worker failed; the total is then cleared, nothing of the
   *     batch is in it
   */
  public void accumulate(List<Example> batch, ClippedSum total) {
    List<List<Example>> groups = groups(batch);
    AtomicInteger next = new AtomicInteger();
    List<Future<?>> running = new ArrayList<>();
    for (int i = 0; i < workers.size(); i++) {
      ExampleGradients worker = workers.get(i);
      ClippedSum sum = partial.get(i);
      running.add(threads.submit(() -> work(worker, sum, groups, next)));
    }
    Throwable failure = null;
    for (Future<?> future : running) {
      try {
        future.get();
      } catch (ExecutionException e) {
        failure = e.getCause();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        failure = e;
      }
    }
    total.clear();
    if (failure != null) {
      throw new IllegalStateException("a gradient worker failed", failure);
    }
    partial.forEach(total::merge);
  }

  private static void work(
      ExampleGradients worker, ClippedSum sum, List<List<Example>> groups, AtomicInteger next) {
    sum.clear();
    for (int g = next.getAndIncrement(); g < groups.size(); g = next.getAndIncrement()) {
      TokenGroup group = worker.group();
      group.clear();
      groups.get(g).forEach(example -> group.add(example.tokens(), example.prefix()));
      worker.accumulate(sum);
    }
  }

  /** Cuts the batch, in order, into groups that fit a worker. */
  private List<List<Example>> groups(List<Example> batch) {
    TokenGroup shape = workers.getFirst().group();
    List<List<Example>> groups = new ArrayList<>();
    List<Example> open = new ArrayList<>();
    int rows = 0;
    for (Example example : batch) {
      if (example.rows() > shape.maxRows()) {
        throw new IllegalArgumentException(
            "an example is longer than the fixed maximum of " + shape.maxRows() + " tokens");
      }
      if (!open.isEmpty()
          && (rows + example.rows() > shape.maxRows() || open.size() == shape.maxExamples())) {
        groups.add(open);
        open = new ArrayList<>();
        rows = 0;
      }
      open.add(example);
      rows += example.rows();
    }
    if (!open.isEmpty()) {
      groups.add(open);
    }
    return groups;
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
