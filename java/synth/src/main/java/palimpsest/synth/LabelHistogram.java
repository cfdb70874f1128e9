package palimpsest.synth;

import java.util.Arrays;
import java.util.List;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.Labels;

/**
 * How many records each label of the public list has, released once with rounded Gaussian noise:
 * the same mechanism as that of the updates, on a grid of whole records.
 *
 * <p>A record counts once, under one label. Adding or removing a unit that owns at most k records
 * moves the counts by at most k in L2 (all its records under one label); replacing it moves two
 * counts by k.
 */
final class LabelHistogram {
  /** The public word for it in the ledger. */
  static final String NAME = "labels";

  /** The step of its noise in the run's random streams, in which no purpose but its own is used. */
  private static final long STEP = 0;

  private static final long LARGEST_COUNT = 1_000_000_000;

  private LabelHistogram() {}

  /**
   * What the release costs.
   *
   * @param mechanism of the run: its unit and relation
   * @param noise standard deviation of each count's noise, in records
   */
  static PrivacyEvent event(MechanismSpec mechanism, double noise) {
    double sensitivity = mechanism.recordsPerUser();
    if (mechanism.relation() == NeighbouringRelation.REPLACE_ONE) {
      sensitivity = Math.nextUp(sensitivity * Math.nextUp(Math.sqrt(2)));
    }
    return new PrivacyEvent.Gaussian(Math.nextDown(noise / sensitivity), 1);
  }

  /** Adds the noise. */
  static void release(long[] counts, double noise, SecretKey key) {
    new NoiseStream(key, Purpose.LABEL_HISTOGRAM).addTo(counts, 0, STEP, noise);
  }

  /**
   * The labels with their noisy counts as weights. A count below one is taken as one, so that no
   * label of the public list is impossible.
   */
  static Labels weighted(Labels labels, long[] noisyCounts) {
    List<Double> weights =
        Arrays.stream(noisyCounts)
            .mapToObj(count -> (double) Math.clamp(count, 1, LARGEST_COUNT))
            .toList();
    return labels.withWeights(weights);
  }
}
