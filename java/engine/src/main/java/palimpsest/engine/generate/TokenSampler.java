package palimpsest.engine.generate;

import java.util.Arrays;
import palimpsest.engine.tensor.Tensor;

/** Draws tokens from logits. */
final class TokenSampler {
  private final GenerationSettings settings;
  private final double[] scores;
  private final double[] probabilities;
  private final int[] candidates;

  TokenSampler(GenerationSettings settings, int vocabulary) {
    this.settings = settings;
    scores = new double[vocabulary];
    probabilities = new double[vocabulary];
    candidates = new int[vocabulary];
  }

  /**
   * @param logits wide [N, V], after the texts' own prefixes
   * @param generic wide [N, V], after the generic prefixes; null without guidance
   * @param draws F64 [N] or longer, in [0, 1)
   * @param tokens I32 [N] or longer, written
   */
  void draw(Tensor logits, Tensor generic, Tensor draws, Tensor tokens) {
    for (int row = 0; row < logits.rows(); row++) {
      tokens.set(row, draw(logits, generic, row, draws.get(row)));
    }
  }

  private int draw(Tensor logits, Tensor generic, int row, double draw) {
    double scale = settings.temperature() == 0 ? 1 : 1 / settings.temperature();
    for (int v = 0; v < scores.length; v++) {
      scores[v] = logits.get(row, v) * scale;
    }
    int count = nucleus();
    double w = settings.guidance();
    if (generic != null) {
      for (int i = 0; i < count; i++) {
        int v = candidates[i];
        scores[v] = (1 + w) * scores[v] - w * generic.get(row, v) * scale;
      }
    }
    return settings.temperature() == 0 ? best(count) : inverse(count, draw);
  }

  /** Puts the tokens that can be drawn into the candidates, by id; returns how many. */
  private int nucleus() {
    int vocabulary = scores.length;
    double top = Arrays.stream(scores).max().orElseThrow();
    double total = 0;
    for (int v = 0; v < vocabulary; v++) {
      probabilities[v] = Math.exp(scores[v] - top);
      total += probabilities[v];
    }
    if (settings.topP() == 1 && settings.topK() == 0) {
      Arrays.setAll(candidates, v -> v);
      return vocabulary;
    }
    double bound = settings.topP() * total;
    // Tokens below this have less than 1 - p together: the nucleus is without them.
    double least = settings.topP() == 1 ? 0 : (total - bound) / vocabulary;
    int[] likeliest =
        java.util.stream.IntStream.range(0, vocabulary)
            .filter(v -> probabilities[v] >= least)
            .boxed()
            .sorted((a, b) -> Double.compare(probabilities[b], probabilities[a]))
            .mapToInt(Integer::intValue)
            .toArray();
    int most =
        settings.topK() == 0 ? likeliest.length : Math.min(settings.topK(), likeliest.length);
    double sum = 0;
    int count = 0;
    while (count < most && sum < bound) {
      candidates[count] = likeliest[count];
      sum += probabilities[likeliest[count++]];
    }
    Arrays.sort(candidates, 0, count);
    return count;
  }

  private int best(int count) {
    int best = candidates[0];
    for (int i = 1; i < count; i++) {
      best = scores[candidates[i]] > scores[best] ? candidates[i] : best;
    }
    return best;
  }

  /** The first candidate whose cumulated probability is above the draw. */
  private int inverse(int count, double draw) {
    double top = scores[best(count)];
    double total = 0;
    for (int i = 0; i < count; i++) {
      total += Math.exp(scores[candidates[i]] - top);
    }
    double left = draw * total;
    int last = candidates[0];
    for (int i = 0; i < count; i++) {
      double p = Math.exp(scores[candidates[i]] - top);
      if (p > 0) {
        last = candidates[i];
        left -= p;
        if (left < 0) {
          return last;
        }
      }
    }
    return last;
  }
}
