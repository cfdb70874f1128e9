package palimpsest.engine.train;

import palimpsest.engine.tensor.Tensor;

/**
 * A float sum of a batch's gradients, for training without privacy: all workers add to it, part by
 * part of the parameters, and each part takes the groups in their order. So its bits do not depend
 * on which worker took which group, and a resumed run goes on as if it had not stopped.
 */
final class OrderedSum {
  /** Adds a group's gradient of one part. */
  @FunctionalInterface
  interface Addition {
    /**
     * @param total wide [P], of which the part may be changed
     */
    void to(Tensor total);
  }

  private final Tensor total;

  /** The group that each part takes next. */
  private final int[] next;

  private boolean failed;

  /**
   * @param total wide [P], all zero
   * @param parts each group adds to every part, in the same order of the parts
   */
  OrderedSum(Tensor total, int parts) {
    this.total = total;
    next = new int[parts];
  }

  /**
   * Adds a group's gradient of a part when it is the group's turn.
   *
   * @throws IllegalStateException if another worker failed: the turn will not come
   */
  void add(int part, int group, Addition addition) {
    await(part, group);
    addition.to(total);
    synchronized (this) {
      next[part]++;
      notifyAll();
    }
  }

  private synchronized void await(int part, int group) {
    boolean interrupted = false;
    while (next[part] != group && !failed) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
        failed = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failed) {
      throw new IllegalStateException("another worker failed");
    }
  }

  /** Ends all waiting: a group is lost, so no later one has a turn. */
  synchronized void fail() {
    failed = true;
    notifyAll();
  }
}
