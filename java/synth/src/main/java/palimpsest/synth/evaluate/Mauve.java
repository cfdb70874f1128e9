package palimpsest.synth.evaluate;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * MAUVE, how close the distribution of one set of texts is to that of another, from their
 * embeddings (Pillutla et al., "MAUVE: measuring the gap between neural text and human text using
 * divergence frontiers", NeurIPS 2021, arXiv 2102.01454). Both sets are quantised by one k-means
 * clustering; the value is the area under the curve of {@code exp(-c KL)} from either histogram to
 * their mixtures (equation 1). Preparation and settings are those of the authors' package
 * mauve-text: embeddings of length 1, the components with 90 % of their variance, a cluster for
 * every ten texts of the smaller set, 5 restarts, c = 5, 25 mixtures.
 *
 * <p>It depends on the embedding, on the number of texts and a little on the seed: compare values
 * of one embedding and equal numbers alone, and beside that of two halves of the real texts.
 *
 * @param value 0 to 1, higher when the sets are closer
 * @param smoothed the same from histograms with half a text more in each cluster, less biased for
 *     small sets: MAUVE* (Pillutla et al., "MAUVE scores for generative models: theory and
 *     practice", JMLR 24, 2023)
 * @param clusters of the quantisation
 * @param components of the embeddings that were kept
 */
public record Mauve(double value, double smoothed, int clusters, int components) {
  private static final double EXPLAINED = 0.9;
  private static final double TEXTS_PER_CLUSTER = 10;
  private static final int RESTARTS = 5;
  private static final int ROUNDS = 500;
  private static final double SCALING = 5;
  private static final int MIXTURES = 25;
  private static final double LEAST_WEIGHT = 1e-6;
  private static final double SMOOTHING = 0.5;

  /**
   * Compares two sets.
   *
   * @param p embeddings of the one, n rows of d finite numbers, n at least 1
   * @param q embeddings of the other, m rows of d, m at least 1
   * @param seed of the clustering
   */
  public static Mauve of(float[][] p, float[][] q, long seed) {
    if (p.length == 0 || q.length == 0) {
      throw new IllegalArgumentException("MAUVE needs an embedding of each set at least");
    }
    double[][] points = new double[p.length + q.length][];
    for (int i = 0; i < points.length; i++) {
      points[i] = normalised(i < p.length ? p[i] : q[i - p.length]);
    }
    PrincipalComponents components = PrincipalComponents.of(points);
    int kept = components.explaining(EXPLAINED);
    // Half goes to the even number, as in the package.
    int clusters = Math.max(2, (int) Math.rint(Math.min(p.length, q.length) / TEXTS_PER_CLUSTER));
    int[] assignment =
        KMeans.of(components.project(points, kept), clusters, RESTARTS, ROUNDS, seed).assignment();
    double[] ofP = histogram(assignment, 0, p.length, clusters);
    double[] ofQ = histogram(assignment, p.length, points.length, clusters);
    return new Mauve(area(ofP, ofQ), area(smooth(ofP), smooth(ofQ)), clusters, kept);
  }

  /** Divided by its length; an embedding of zeros stays as it is. */
  private static double[] normalised(float[] embedding) {
    double square = 0;
    for (float x : embedding) {
      square += (double) x * x;
    }
    double length = square == 0 ? 1 : Math.sqrt(square);
    return IntStream.range(0, embedding.length).mapToDouble(i -> embedding[i] / length).toArray();
  }

  private static double[] histogram(int[] assignment, int from, int to, int clusters) {
    double[] counts = new double[clusters];
    for (int i = from; i < to; i++) {
      counts[assignment[i]]++;
    }
    return counts;
  }

  private static double[] smooth(double[] counts) {
    return Arrays.stream(counts).map(count -> count + SMOOTHING).toArray();
  }

  /**
   * The area under the divergence curve, by trapezoids. The curve runs from (1, 0) to (0, 1), so
   * the area is the same over either axis.
   *
   * @param p counts by cluster, not all zero
   * @param q counts by the same clusters, not all zero
   */
  static double area(double[] p, double[] q) {
    double sumP = Arrays.stream(p).sum();
    double sumQ = Arrays.stream(q).sum();
    double area = 0;
    double x = 1;
    double y = 0;
    for (int i = 0; i <= MIXTURES; i++) {
      double nextX = 0;
      double nextY = 1;
      if (i < MIXTURES) {
        double weight = LEAST_WEIGHT + i * (1 - 2 * LEAST_WEIGHT) / (MIXTURES - 1);
        nextX = Math.exp(-SCALING * divergence(q, sumQ, p, sumP, 1 - weight));
        nextY = Math.exp(-SCALING * divergence(p, sumP, q, sumQ, weight));
      }
      area += (x - nextX) * (y + nextY) / 2;
      x = nextX;
      y = nextY;
    }
    return area;
  }

  /**
   * The Kullback-Leibler divergence, in nats, of a distribution from its mixture with another.
   *
   * @param weight of the distribution itself, above 0
   */
  private static double divergence(
      double[] one, double sumOne, double[] other, double sumOther, double weight) {
    double sum = 0;
    for (int i = 0; i < one.length; i++) {
      double share = one[i] / sumOne;
      if (share > 0) {
        sum += share * Math.log(share / (weight * share + (1 - weight) * other[i] / sumOther));
      }
    }
    return sum;
  }
}
