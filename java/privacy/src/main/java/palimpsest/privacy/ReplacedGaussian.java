package palimpsest.privacy;

/**
 * Poisson-subsampled Gaussian under replace-one: P = (1-q) N(0, s^2) + q N(1, s^2), Q = (1-q) N(0,
 * s^2) + q N(-1, s^2), where 1 is the clip norm (Lebeda, Regehr, Kamath and Steinke 2025, Prop.
 * 13). The pair is its own mirror image.
 *
 * @param q sampling rate in (0, 1]
 * @param s noise multiplier
 */
record ReplacedGaussian(double q, double s) implements LossPair {
  @Override
  public double loss(double x) {
    return SubsampledGaussian.logRatio(q, s, x) - SubsampledGaussian.logRatio(q, s, -x);
  }

  /**
   * With a = ((1-q)/q) e^{1/(2 s^2)}: x = s^2 (asinh(a sinh(loss/2)) + loss/2), in logarithms
   * because a may overflow.
   */
  @Override
  public double position(double loss) {
    if (q == 1 || loss == 0) {
      return 0.5 * loss * s * s;
    }
    double size = Math.abs(loss);
    double logA = 0.5 / (s * s) + Math.log1p(-q) - Math.log(q);
    double logSinh = 0.5 * size + Math.log(-Math.expm1(-size)) - Math.log(2);
    double asinh = asinhOfExp(logA + logSinh);
    return Math.copySign(s * s * (asinh + 0.5 * size), loss);
  }

  private static double asinhOfExp(double v) {
    if (v > 20) {
      return v + Math.log(2);
    }
    double u = Math.exp(v);
    return Math.log1p(u + u * u / (1 + Math.sqrt(1 + u * u)));
  }

  @Override
  public double logDensityQ(double x) {
    return SubsampledGaussian.logDensity(s, x) + SubsampledGaussian.logRatio(q, s, -x);
  }

  @Override
  public double start(double z) {
    return -end(z);
  }

  @Override
  public double end(double z) {
    return 1 + z * s;
  }

  @Override
  public Tail below(double x) {
    Tail mirrored = above(-x);
    return new Tail(mirrored.q(), mirrored.p());
  }

  @Override
  public Tail above(double x) {
    double zero = (1 - q) * SpecialFunctions.normalCdf(-x / s);
    return new Tail(
        zero + q * SpecialFunctions.normalCdf((1 - x) / s),
        zero + q * SpecialFunctions.normalCdf((-1 - x) / s));
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
    return true;
  }
}
