package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.LabelPass;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What a model of labels makes of texts. The numbers of a text do not depend on which others are
 * scored with it, nor on the workers.
 */
public final class LabelScorer {
  private final LabelModel model;
  private final Workers workers;
  private final int maxRows;
  private final int maxExamples;
  private final List<Part> parts = new ArrayList<>();

  private record Part(TokenGroup group, LabelPass pass) {}

  /**
   * @param model must not change during a call
   * @param workers stay the caller's to close
   * @param maxRows tokens that a worker takes at a time; at least those of the longest text
   * @param maxExamples texts that a worker takes at a time
   * @param arena holds all buffers
   */
  public LabelScorer(
      LabelModel model, Workers workers, int maxRows, int maxExamples, TensorArena arena) {
    this.model = model;
    this.workers = workers;
    this.maxRows = maxRows;
    this.maxExamples = maxExamples;
    for (int i = 0; i < workers.count(); i++) {
      parts.add(
          new Part(
              new TokenGroup(maxRows, maxExamples, model.kernels().wide(), arena),
              model.pass(maxRows, maxExamples, false, arena)));
    }
  }

  /**
   * Logits of texts.
   *
   * @param texts as tokens, each of at most {@code maxRows}
   * @return L numbers a text, in the order of the texts
   */
  public double[][] logits(List<int[]> texts) {
    double[][] logits = new double[texts.size()][];
    int[] starts = groups(texts);
    AtomicInteger next = new AtomicInteger();
    workers.run((worker, stopped) -> {
      for (int g = next.getAndIncrement();
          g < starts.length - 1 && !stopped.getAsBoolean();
          g = next.getAndIncrement()) {
        score(parts.get(worker), texts, starts[g], starts[g + 1], logits);
      }
    });
    return logits;
  }

  /** Where groups of texts begin that fit a worker, and the end of the last. */
  private int[] groups(List<int[]> texts) {
    List<Integer> starts = new ArrayList<>();
    int rows = 0;
    for (int i = 0; i < texts.size(); i++) {
      int more = texts.get(i).length;
      if (more > maxRows) {
        throw new IllegalArgumentException(
            "a text is longer than the fixed maximum of " + maxRows + " tokens");
      }
      if (starts.isEmpty() || rows + more > maxRows || i - starts.getLast() == maxExamples) {
        starts.add(i);
        rows = 0;
      }
      rows += more;
    }
    starts.add(texts.size());
    return starts.stream().mapToInt(Integer::intValue).toArray();
  }

  private void score(Part part, List<int[]> texts, int from, int to, double[][] logits) {
    part.group.clear();
    for (int i = from; i < to; i++) {
      int[] text = texts.get(i);
      // A last token that is not read stands where a label would.
      part.group.add(Arrays.copyOf(text, text.length + 1), text.length);
    }
    Tensor scores = part.pass.logits(part.group);
    for (int i = from; i < to; i++) {
      Tensor row = scores.rows(i - from, 1);
      logits[i] = new double[model.labels()];
      Arrays.setAll(logits[i], row::get);
    }
  }
}
