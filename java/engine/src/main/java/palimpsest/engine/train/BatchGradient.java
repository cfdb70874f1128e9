package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The clipped sum over a batch, by several workers. A batch is cut into groups of whole examples;
 * each worker takes the next group when it is done, and no worker waits for another inside a pass.
 * The sum's bits depend neither on the workers nor on the groups.
 */
public final class BatchGradient implements AutoCloseable {
  private final List<ExampleGradients> workers = new ArrayList<>();
  private final List<ClippedSum> partial = new ArrayList<>();
  private final List<Tensor> publicPartial = new ArrayList<>();
  private final TensorArena arena = new TensorArena();
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
    total.clear();
    overGroups(
        batch,
        worker -> partial.get(worker).clear(),
        worker -> workers.get(worker).accumulate(partial.get(worker)));
    partial.forEach(total::merge);
  }

  /**
   * The same without clipping: replaces {@code total} by the float sum of the batch's gradients.
   * For training on public data, and the yardstick for what privacy costs. Its last bits depend on
   * which worker took which group.
   *
   * @param total wide [P]
   * @throws IllegalStateException if a worker failed; the total then holds nothing of the batch
   */
  public void accumulatePublic(List<Example> batch, Tensor total) {
    total.data().fill((byte) 0);
    if (publicPartial.isEmpty()) {
      workers.forEach(_ -> publicPartial.add(arena.allocate(total.type(), total.size())));
    }
    overGroups(
        batch,
        worker -> publicPartial.get(worker).data().fill((byte) 0),
        worker -> workers.get(worker).accumulatePublic(publicPartial.get(worker)));
    publicPartial.forEach(sum -> FloatSum.add(sum, total));
  }

  /**
   * Takes the batch through the workers, group by group.
   *
   * @param start called once for each worker
   * @param pass called for each group, when the worker holds it
   */
  private void overGroups(List<Example> batch, IntConsumer start, IntConsumer pass) {
    List<List<Example>> groups = groups(batch);
    AtomicInteger next = new AtomicInteger();
    List<Future<?>> running = new ArrayList<>();
    for (int i = 0; i < workers.size(); i++) {
      int worker = i;
      running.add(threads.submit(() -> work(worker, groups, next, start, pass)));
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
    if (failure != null) {
      throw new IllegalStateException("a gradient worker failed", failure);
    }
  }

  private void work(
      int worker,
      List<List<Example>> groups,
      AtomicInteger next,
      IntConsumer start,
      IntConsumer pass) {
    start.accept(worker);
    TokenGroup group = workers.get(worker).group();
    for (int g = next.getAndIncrement(); g < groups.size(); g = next.getAndIncrement()) {
      group.clear();
      groups.get(g).forEach(example -> group.add(example.tokens(), example.prefix()));
      pass.accept(worker);
    }
  }

  /** Cuts the batch, in order, into groups that fit a worker. */
  private List<List<Example>> groups(List<Example> batch) {
    TokenGroup shape = workers.getFirst().group();
    List<List<Example>> groups = new ArrayList<>();
    List<Example> open = new ArrayList<>();
    int rows = 0;
    for (Example example : batch) {
      int more = shape.rowsOf(example.tokens().length);
      if (more > shape.maxRows()) {
        throw new IllegalArgumentException(
            "an example is longer than the fixed maximum of " + shape.maxRows() + " tokens");
      }
      if (!open.isEmpty()
          && (rows + more > shape.maxRows() || open.size() == shape.maxExamples())) {
        groups.add(open);
        open = new ArrayList<>();
        rows = 0;
      }
      open.add(example);
      rows += more;
    }
    if (!open.isEmpty()) {
      groups.add(open);
    }
    return groups;
  }

  @Override
  public void close() {
    threads.shutdownNow();
    arena.close();
  }
}
