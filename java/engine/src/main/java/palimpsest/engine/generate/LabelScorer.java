package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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
    TextGroups groups = TextGroups.of(texts, maxRows, maxExamples);
    groups.run(
        workers,
        (worker, from, to) -> {
          Part part = parts.get(worker);
          groups.fill(part.group, from, to);
          Tensor scores = part.pass.logits(part.group);
          for (int i = from; i < to; i++) {
            Tensor row = scores.rows(i - from, 1);
            logits[i] = new double[model.labels()];
            Arrays.setAll(logits[i], row::get);
          }
        });
    return logits;
  }
}
