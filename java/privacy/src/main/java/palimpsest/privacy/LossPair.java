package palimpsest.privacy;

/**
 * The worst pair of output distributions (P, Q) of one mechanism: densities on the line whose
 * privacy loss ln(P/Q) does not fall in x. With two directions of adjacency, P belongs to the data
 * set that holds the record (REMOVE); the other direction (ADD) exchanges P and Q.
 */
interface LossPair {
  /** ln(P(x)/Q(x)), nondecreasing. */
  double loss(double x);

  /** The x at which the loss is {@code loss}, infinite where the loss is never reached. */
  double position(double loss);

  /** ln Q(x). */
  double logDensityQ(double x);

  /** A left end such that P and Q give at most {@code 2 Phi(-z)} to what lies before it. */
  double start(double z);

  /** A right end such that P and Q give at most {@code 2 Phi(-z)} to what lies after it. */
  double end(double z);

  /** P and Q of (-infinity, x), or bounds from above. */
  Tail below(double x);

  /** P and Q of (x, infinity), or bounds from above. */
  Tail above(double x);

  /**
   * Length over which loss and densities are smooth: the integration cuts the line at least that
   * often.
   */
  double scale();

  /** Standard deviation of the noise. */
  double noise();

  /** Largest distance from 0 of the mean of a component of P or Q. */
  double farthest();

  /** Whether exchanging P and Q leaves the distribution of the loss as it is. */
  boolean symmetric();

  /** Masses of a half-line. */
  record Tail(double p, double q) {}
}
