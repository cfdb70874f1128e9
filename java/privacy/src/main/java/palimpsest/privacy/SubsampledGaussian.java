package palimpsest.privacy;

/**
 * Poisson-subsampled Gaussian under add/remove: P = (1-q) N(0, s^2) + q N(1, s^2), Q = N(0, s^2),
 * the sensitivity being 1 (Zhu, Dong and Wang 2022).
 *
 * @param q sampling rate in (0, 1]
 * @param s noise multiplier
 */
record SubsampledGaussian(double q, double s) implements LossPair {
  /** ln of the ratio of the mixture and N(0, s^2): ln(1 - q + q e^y), y = (2x - 1) / (2 s^2). */
  static double logRatio(double q, double s, double x) {
    double y = (x - 0.5) / (s * s);
    if (q == 1) {
      return y;
    }
    if (y >= 30) {
      return Math.log(q) + y + Math.log1p((1 - q) / q * Math.exp(-y));
    }
    // Where nearly all of 1 is taken away, what is left must not come of the difference.
    double excess = q * Math.expm1(y);
    return excess > -0.5 ? Math.log1p(excess) : Math.log(1 - q + q * Math.exp(y));
  }

  static double logDensity(double s, double x) {
    double u = x / s;
    return -0.5 * u * u - Math.log(s) - 0.91893853320467274178;
  }

  @Override
  public double loss(double x) {
    return logRatio(q, s, x);
  }

  @Override
  public double position(double loss) {
    if (q == 1) {
      return loss * s * s + 0.5;
    }
    if (loss > 30) {
      return s * s * (loss + Math.log1p(-(1 - q) * Math.exp(-loss)) - Math.log(q)) + 0.5;
    }
    double t = (Math.expm1(loss) + q) / q;
    return t > 0 ? s * s * Math.log(t) + 0.5 : Double.NEGATIVE_INFINITY;
  }

  @Override
  public double logDensityQ(double x) {
    return logDensity(s, x);
  }

  @Override
  public double start(double z) {
    return -z * s;
  }

  @Override
  public double end(double z) {
    return 1 + z * s;
  }

  @Override
  public Tail below(double x) {
    double zero = SpecialFunctions.normalCdf(x / s);
    return new Tail((1 - q) * zero + q * SpecialFunctions.normalCdf((x - 1) / s), zero);
  }

  @Override
  public Tail above(double x) {
    double zero = SpecialFunctions.normalCdf(-x / s);
    return new Tail((1 - q) * zero + q * SpecialFunctions.normalCdf((1 - x) / s), zero);
  }

  @Override
  public double scale() {
    return Math.min(0.1 * s, 0.25 * s * s);
  }

  @Override
  public double noise() {
    return s;
  }

  @Override
  public double farthest() {
    return 1;
  }

  @Override
  public boolean symmetric() {
    return q == 1;
  }
}
