package palimpsest.engine.kernel.reference;

import java.util.Arrays;
import palimpsest.engine.kernel.Sample;
import palimpsest.engine.tensor.Tensor;

/** {@link Sample} in float64, by sorting. */
final class SampleReference implements Sample {
  @Override
  public void forward(
      Tensor logits, Tensor generic, Settings settings, double[] uniforms, int[] tokens) {
    for (int row = 0; row < logits.rows(); row++) {
      double[] x = values(logits, row);
      double[] g = generic == null || settings.guidance() == 0 ? null : values(generic, row);
      tokens[row] = draw(x, g, settings, uniforms[row]);
    }
  }

  private static double[] values(Tensor matrix, int row) {
    double[] values = new double[(int) matrix.cols()];
    Arrays.setAll(values, i -> matrix.get(row, i));
    return values;
  }

  private static int draw(double[] x, double[] generic, Settings settings, double uniform) {
    int best = 0;
    for (int i = 0; i < x.length; i++) {
      if (!Double.isFinite(x[i])) {
        throw new IllegalArgumentException("logits are not finite");
      }
      best = x[i] > x[best] ? i : best;
    }
    if (settings.temperature() == 0) {
      return best;
    }
    double top = x[best];
    double[] p =
        Arrays.stream(x).map(v -> StrictMath.exp((v - top) / settings.temperature())).toArray();
    double cut = cut(p, settings);
    double[] score = new double[x.length];
    double largest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < x.length; i++) {
      double w = generic == null ? 0 : settings.guidance();
      score[i] = ((1 + w) * x[i] - (generic == null ? 0 : w * generic[i])) / settings.temperature();
      largest = p[i] >= cut ? Math.max(largest, score[i]) : largest;
    }
    double total = 0;
    for (int i = 0; i < x.length; i++) {
      score[i] = p[i] >= cut ? StrictMath.exp(score[i] - largest) : 0;
      total += score[i];
    }
    double sum = 0;
    int last = best;
    for (int i = 0; i < x.length; i++) {
      if (score[i] > 0) {
        sum += score[i];
        last = i;
        if (sum > uniform * total) {
          return i;
        }
      }
    }
    return last;
  }

  /** The smallest probability, relative to the largest, that stays. */
  private static double cut(double[] p, Settings settings) {
    double[] sorted = p.clone();
    Arrays.sort(sorted);
    double total = Arrays.stream(sorted).sum();
    double sum = 0;
    int kept = 0;
    while (kept < sorted.length && (kept == 0 || sum < settings.topP() * total)) {
      sum += sorted[sorted.length - 1 - kept];
      kept++;
    }
    if (settings.topK() > 0) {
      kept = Math.min(kept, settings.topK());
    }
    return sorted[sorted.length - kept];
  }
}
