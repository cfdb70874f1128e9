package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;

/**
 * Loss of a model on a long public text, in windows that follow each other: each window's last
 * token is read again as the first of the next, so every token but the very first is predicted
 * once.
 */
public final class HeldOutLoss {
  private final TunedDecoder model;
  private final Workers workers;
  private final int length;
  private final List<Part> parts = new ArrayList<>();

  private record Part(TokenGroup group, Activations activations) {}

  /**
   * @param model must not change during a call
   * @param workers stay the caller's to close
   * @param length T, tokens that a window predicts
   * @param arena holds all buffers
   */
  public HeldOutLoss(TunedDecoder model, Workers workers, int length, TensorArena arena) {
    this.model = model;
    this.workers = workers;
    this.length = length;
    for (int i = 0; i < workers.count(); i++) {
      parts.add(
          new Part(
              new TokenGroup(length, 1, model.decoder().kernels().wide(), arena),
              new Activations(
                  model.decoder().config(),
                  model.decoder().kernels(),
                  length,
                  length,
                  model.rank(),
                  Activations.Purpose.FORWARD,
                  arena)));
    }
  }

  /**
   * Sum over all tokens but the first of minus the natural logarithm of their probability.
   *
   * @param tokens two or more
   */
  public double of(int[] tokens) {
    int windows = (tokens.length - 2) / length + 1;
    double[] losses = new double[windows];
    int share = (windows + workers.count() - 1) / workers.count();
    workers.run((worker, stopped) -> {
      int end = Math.min(windows, (worker + 1) * share);
      for (int w = worker * share; w < end && !stopped.getAsBoolean(); w++) {
        losses[w] = window(parts.get(worker), tokens, w * length);
      }
    });
    double sum = 0;
    for (double loss : losses) {
      sum += loss;
    }
    return sum;
  }

  private double window(Part part, int[] tokens, int from) {
    int to = Math.min(from + length + 1, tokens.length);
    int[] window = Arrays.copyOfRange(tokens, from, to);
    double[] weights = new double[window.length];
    Arrays.fill(weights, 1);
    part.group.clear();
    part.group.add(window, weights);
    model.decoder().forward(part.group, model.tuned(), part.activations);
    model.decoder().losses(part.group, part.activations);
    return part.activations.loss(part.group);
  }
}
