package palimpsest.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicInteger;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * The sum of a batch's gradients, by several workers. A batch is cut into groups of whole examples;
 * each worker takes the next group when it is done, and no worker waits for another inside a pass.
 * The bits of a clipped sum depend neither on the workers nor on the groups.
 */
public final class BatchGradient implements AutoCloseable {
  private final Workers workers;
  private final ClippedSum sum;
  private final List<ExampleGradients> gradients;
  private final List<ClippedSum> partial = new ArrayList<>();
  private final TensorArena arena = new TensorArena();

  /** What a worker does with a group when it holds it. */
  @FunctionalInterface
  private interface Pass {
    void run(int worker, int group);
  }

  private BatchGradient(
      Workers workers, List<? extends ExampleGradients> gradients, ClippedSum sum) {
    if (gradients.size() != workers.count()) {
      throw new IllegalArgumentException(
          gradients.size() + " sets of buffers for " + workers.count() + " workers");
    }
    this.workers = workers;
    this.gradients = List.copyOf(gradients);
    this.sum = sum;
    for (int i = 0; sum != null && i < workers.count(); i++) {
      partial.add(sum.forWorker(arena));
    }
  }

  /**
   * For clipped sums.
   *
   * @param workers stay the caller's to close
   * @param gradients each worker's buffers
   * @param sum that of all workers, for the same parameters
   */
  public static BatchGradient clipped(
      Workers workers, List<? extends ExampleGradients> gradients, ClippedSum sum) {
    return new BatchGradient(workers, gradients, Objects.requireNonNull(sum));
  }

  /**
   * For sums without clipping alone.
   *
   * @param workers stay the caller's to close
   * @param gradients each worker's buffers
   */
  public static BatchGradient plain(Workers workers, List<? extends ExampleGradients> gradients) {
    return new BatchGradient(workers, gradients, null);
  }

  /** What {@link #accumulate} leaves its result in. */
  public ClippedSum sum() {
    return sum;
  }

  /** The same for a sum that belongs to no step of a run. */
  public void accumulate(List<Example> batch) {
    accumulate(batch, 0);
  }

  /**
   * Replaces the clipped sum by that of the batch.
   *
   * @param step whose sum it is, a public number
   * @throws IllegalArgumentException if an example is longer than a group; nothing has entered
   * @throws IllegalStateException if a worker failed; the sum is then cleared, nothing of the batch
   *     is in it
   */
  public void accumulate(List<Example> batch, long step) {
    if (sum == null) {
      throw new IllegalStateException("these workers have no clipped sum");
    }
    clear();
    List<List<Example>> groups = groups(batch);
    gradients.forEach(each -> each.startStep(step));
    try {
      overGroups(
          groups, (worker, _) -> gradients.get(worker).accumulate(partial.get(worker)), () -> {});
      partial.forEach(sum::merge);
    } catch (Throwable t) {
      clear();
      throw failed(t);
    }
  }

  /**
   * Has every worker make the clipped sum of public examples, as many of the greatest length as fit
   * its group, and throws it away. What memory a pass takes, it has taken then; and where there is
   * too little, it fails now and not in a draw that happens to need it. Nobody else uses the
   * workers meanwhile.
   *
   * @param rows the most rows of an example
   */
  public void rehearse(int rows) {
    clear();
    Phaser together = new Phaser(workers.count());
    try {
      workers.run((worker, _) -> {
        // A thread that waits for the others takes no second part: each of them has one.
        if (together.arriveAndAwaitAdvance() < 0) {
          return;
        }
        TokenGroup group = gradients.get(worker).group();
        int[] tokens = new int[rows + 2 - group.rowsOf(2)];
        group.clear();
        while (group.fits(tokens.length)) {
          group.add(tokens, 0);
        }
        gradients.get(worker).accumulate(partial.get(worker));
      });
    } catch (Throwable t) {
      throw failed(t);
    } finally {
      // If not all could begin, those that did are still waiting.
      together.forceTermination();
      clear();
    }
  }

  private static IllegalStateException failed(Throwable cause) {
    return new IllegalStateException("a gradient worker failed", cause);
  }

  private void clear() {
    sum.clear();
    partial.stream().filter(part -> part != sum).forEach(part -> part.clipTo(sum.clipNorm()));
  }

  /**
   * The same without clipping: replaces {@code total} by the float sum of the batch's gradients.
   * For training on public data, and the yardstick for what privacy costs. Its bits depend on the
   * groups, but not on the workers.
   *
   * @param total wide [P]
   * @return the sum of the examples' losses
   * @throws IllegalStateException if a worker failed; the total then holds nothing of the batch
   */
  public double accumulatePublic(List<Example> batch, Tensor total) {
    if (!(gradients.getFirst() instanceof PublicGradients first)) {
      throw new IllegalStateException("these gradients are for the private step alone");
    }
    if (total.size() != first.size()) {
      throw new IllegalArgumentException(
          "the sum has " + total.size() + " numbers, the gradient " + first.size());
    }
    total.data().fill((byte) 0);
    OrderedSum ordered = new OrderedSum(total, first.parts());
    List<List<Example>> groups = groups(batch);
    double[] losses = new double[groups.size()];
    try {
      overGroups(
          groups,
          (worker, group) ->
              losses[group] =
                  ((PublicGradients) gradients.get(worker)).accumulatePublic(ordered, group),
          ordered::fail);
      double loss = 0;
      for (double part : losses) {
        loss += part;
      }
      return loss;
    } catch (Throwable t) {
      total.data().fill((byte) 0);
      throw failed(t);
    }
  }

  /**
   * Takes the groups through the workers.
   *
   * @param failed told at once when one fails
   */
  private void overGroups(List<List<Example>> groups, Pass pass, Runnable failed) {
    AtomicInteger next = new AtomicInteger();
    workers.run((worker, stopped) -> {
      try {
        TokenGroup group = gradients.get(worker).group();
        // A group that is taken is run: others may wait for what it adds.
        while (!stopped.getAsBoolean()) {
          int g = next.getAndIncrement();
          if (g >= groups.size()) {
            return;
          }
          group.clear();
          groups.get(g).forEach(example -> group.add(example.tokens(), example.prefix()));
          pass.run(worker, g);
        }
      } catch (Throwable t) {
        failed.run();
        throw t;
      }
    });
  }

  /** Cuts the batch, in order, into groups that fit a worker. */
  private List<List<Example>> groups(List<Example> batch) {
    TokenGroup shape = gradients.getFirst().group();
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
    arena.close();
  }
}
