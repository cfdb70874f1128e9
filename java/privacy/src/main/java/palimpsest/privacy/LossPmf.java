package palimpsest.privacy;

/**
 * A discrete privacy-loss distribution on a shifted grid: mass {@code mass[i]} at loss {@code
 * (first + i) step + shift} and {@code infinity} at infinite loss. Masses may sum to less than 1 in
 * a lower bound.
 */
final class LossPmf {
  final long first;
  final double[] mass;
  final double step;
  final double shift;
  final double infinity;

  /** What each mass that was put on the grid may be off by, relative to itself. */
  final double roundOff;

  /** With masses that are what they are said to be. */
  LossPmf(long first, double[] mass, double step, double shift, double infinity) {
    this(first, mass, step, shift, infinity, 0);
  }

  LossPmf(long first, double[] mass, double step, double shift, double infinity, double roundOff) {
    this.first = first;
    this.mass = mass;
    this.step = step;
    this.shift = shift;
    this.infinity = infinity;
    this.roundOff = roundOff;
  }

  /**
   * The mixture that follows {@code a} with probability 1 - weight and {@code b} with probability
   * weight.
   */
  static LossPmf mix(LossPmf a, LossPmf b, double weight) {
    long first = Math.min(a.first, b.first);
    long end = Math.max(a.first + a.mass.length, b.first + b.mass.length);
    double[] mass = new double[Math.toIntExact(end - first)];
    for (int i = 0; i < a.mass.length; i++) {
      mass[(int) (a.first - first) + i] += (1 - weight) * a.mass[i];
    }
    for (int i = 0; i < b.mass.length; i++) {
      mass[(int) (b.first - first) + i] += weight * b.mass[i];
    }
    double infinity = (1 - weight) * a.infinity + weight * b.infinity;
    return new LossPmf(first, mass, a.step, 0, infinity, Math.max(a.roundOff, b.roundOff));
  }

  /** Whether no finite loss has any mass. */
  boolean isEmpty() {
    for (double m : mass) {
      if (m > 0) {
        return false;
      }
    }
    return true;
  }

  /** Sum of mass times loss over the finite losses. */
  double mean() {
    double sum = 0;
    double moment = 0;
    for (int i = 0; i < mass.length; i++) {
      sum += mass[i];
      moment += mass[i] * i;
    }
    return moment * step + sum * (first * step + shift);
  }

  /** ln E[e^{t L}] over the finite losses with its first two derivatives in t. */
  record Cumulant(double value, double slope, double curvature) {}

  Cumulant cumulant(double t) {
    int block = blockLength(t);
    double[] power = powers(t, block);
    double reference = Double.NEGATIVE_INFINITY;
    double sum = 0;
    double moment = 0;
    double moment2 = 0;
    for (int start = 0; start < mass.length; start += block) {
      int end = Math.min(mass.length, start + block);
      double part = 0;
      double partMoment = 0;
      double partMoment2 = 0;
      for (int i = start; i < end; i++) {
        double w = mass[i] * power[i - start];
        double wi = w * i;
        part += w;
        partMoment += wi;
        partMoment2 += wi * i;
      }
      if (part > 0) {
        double logPart = Math.log(part) + t * start * step;
        if (logPart > reference) {
          double rescale = Math.exp(reference - logPart);
          sum *= rescale;
          moment *= rescale;
          moment2 *= rescale;
          reference = logPart;
        }
        // A part may be so small that its inverse is no number.
        double weight = Math.exp(logPart - reference);
        sum += weight;
        moment += weight * (partMoment / part);
        moment2 += weight * (partMoment2 / part);
      }
    }
    double origin = first * step + shift;
    double mean = moment / sum;
    double variance = Math.max(0, moment2 / sum - mean * mean);
    return new Cumulant(
        reference + Math.log(sum) + t * origin, mean * step + origin, variance * step * step);
  }

  /**
   * Adds the masses times e^{t L} / E[e^{t L}] into {@code into}, index i of this distribution
   * going to i modulo the array's length, which must be a power of two.
   */
  void addTilted(double t, double logNormaliser, double[] into) {
    int wrap = into.length - 1;
    int block = blockLength(t);
    double[] power = powers(t, block);
    double origin = first * step + shift;
    for (int start = 0; start < mass.length; start += block) {
      int end = Math.min(mass.length, start + block);
      double base = t * (origin + start * step) - logNormaliser;
      // A block whose factor overflows can only hold masses that underflow; half in, half after
      // keeps the product.
      double half = Math.exp(0.5 * base);
      for (int i = start; i < end; i++) {
        if (mass[i] > 0) {
          into[i & wrap] += mass[i] * half * power[i - start] * half;
        }
      }
    }
  }

  private int blockLength(double t) {
    if (Double.isNaN(t)) {
      throw new IllegalStateException("accounting: a tilt is not a number");
    }
    return (int) Math.max(1, Math.min(64, 50 / (Math.abs(t) * step)));
  }

  private double[] powers(double t, int block) {
    double[] power = new double[block];
    for (int i = 0; i < block; i++) {
      power[i] = Math.exp(t * step * i);
    }
    return power;
  }
}
