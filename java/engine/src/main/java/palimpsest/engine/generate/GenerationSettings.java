package palimpsest.engine.generate;

import java.util.Set;
import palimpsest.engine.kernel.Sample;

/**
 * How texts are sampled and by how many at once. The second never changes a text.
 *
 * @param streams how many token streams are decoded side by side, over all workers; with guidance a
 *     text takes two
 * @param maxNewTokens the greatest length of a text in tokens
 * @param temperature divides the logits; 0 takes the likeliest token always, guidance or not
 * @param topK only the k likeliest tokens can be drawn; 0 for all
 * @param topP only the fewest tokens that have this much probability together can be drawn
 *     (Holtzman et al. 2020); 1 for all
 * @param guidance w: tokens are drawn by (1 + w) log p(token | prefix) - w log p(token | generic
 *     prefix) among those that top-k and top-p of the first leave (classifier-free guidance,
 *     Sanchez et al. 2023); 0 for none
 * @param endTokens any of them ends a text
 * @param workers how many threads
 */
public record GenerationSettings(
    int streams,
    int maxNewTokens,
    double temperature,
    int topK,
    double topP,
    double guidance,
    Set<Integer> endTokens,
    int workers) {
  /** Streams that keep the matrix products near their peak rate without a large cache. */
  public static final int DEFAULT_STREAMS = 64;

  /** Checks every setting. */
  public GenerationSettings {
    require(streams >= 1, "the number of streams must be positive, not " + streams);
    require(maxNewTokens >= 1, "a text needs room for a token, not for " + maxNewTokens);
    require(
        temperature >= 0 && Double.isFinite(temperature),
        "the temperature must be 0 or more, not " + temperature);
    require(topK >= 0, "top-k must be 0 (all) or more, not " + topK);
    require(topP > 0 && topP <= 1, "top-p must be above 0 and at most 1, not " + topP);
    require(
        guidance >= 0 && Double.isFinite(guidance),
        "the guidance must be 0 or more, not " + guidance);
    require(workers >= 1, "at least one worker is needed, not " + workers);
    endTokens = Set.copyOf(endTokens);
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  Sample.Settings sampling() {
    return new Sample.Settings(temperature, topK, topP, guidance);
  }

  /** Whether a text takes a second stream. */
  boolean guided() {
    return guidance > 0;
  }
}
