package palimpsest.privacy;

import java.util.List;
import java.util.function.DoubleUnaryOperator;

/**
 * The sum of many independent discrete privacy losses on one grid, read through a tilted Fourier
 * transform.
 *
 * <p>Every distribution is multiplied by e^{t L} and normalised before the transform, with the t at
 * which Chernoff's bound is tightest for the question asked. The masses that answer it are then the
 * large ones, so that wrap-around, truncation and round-off are small relative to the answer
 * whatever its size; they are charged as {@code slack} times the infinite mass and Chernoff's bound
 * of the finite one.
 */
final class Composition {
  /** Mass of the tilted sum that may lie outside the window on each side. */
  private static final double OUTSIDE = 1e-14;

  private static final int LARGEST_TRANSFORM = 1 << 24;

  /**
   * Round-off of a transform of at most 2^24 points, raised to a power: in the worst case about 24
   * units of 2^-53 in each factor, relative to the sum of all masses, which is 1.
   */
  private static final double TRANSFORM_ERROR = 1e-14;

  /** What the cells' masses may be off, all together: by rules of three and six points. */
  private static final double QUADRATURE = 1e-11;

  /** The sum spreads over more grid points than a transform can hold. */
  static final class GridTooLarge extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** A distribution and how often it occurs. */
  record Part(LossPmf pmf, long count) {}

  private final List<Part> parts;
  private final double step;
  private final double shift;
  private final double slack;
  private final double infinity;

  /** Whether a part has no mass at finite losses, nor then the sum: a lower bound may be so. */
  private final boolean empty;

  /** All parts must have the same step. */
  Composition(List<Part> parts) {
    this.parts = List.copyOf(parts);
    step = parts.getFirst().pmf().step;
    double charged = 2 * OUTSIDE + QUADRATURE;
    double offset = 0;
    double logFinite = 0;
    for (Part part : parts) {
      charged += part.count() * (TRANSFORM_ERROR + part.pmf().roundOff);
      offset += part.count() * part.pmf().shift;
      logFinite += part.count() * Math.log1p(-part.pmf().infinity);
    }
    shift = offset;
    slack = charged;
    empty = parts.stream().anyMatch(part -> part.pmf().isEmpty());
    infinity = -Math.expm1(logFinite);
  }

  /**
   * An epsilon >= 0 at which delta is at most {@code delta} if the parts are upper bounds; infinite
   * if none is.
   */
  double epsilonAbove(double delta) {
    double finite = delta - infinity * (1 + slack);
    if (finite <= 0) {
      return Double.POSITIVE_INFINITY;
    }
    Window window = window(tiltForDelta(Math.log(1 / delta)));
    double reach = window.chernoffInverse(finite / slack);
    if (reach > window.lossAt(window.last)) {
      return Math.max(0, reach);
    }
    return Math.max(0, crossing(window, finite, 1));
  }

  /**
   * An epsilon at which delta is at least {@code delta} if the parts are lower bounds; 0 if none is
   * known.
   */
  double epsilonBelow(double delta) {
    double finite = delta - infinity * (1 - slack);
    if (finite <= 0) {
      return Double.POSITIVE_INFINITY;
    }
    if (empty) {
      return 0;
    }
    return Math.max(0, crossing(window(tiltForDelta(Math.log(1 / delta))), finite, -1));
  }

  /** An upper bound of delta at {@code epsilon >= 0} if the parts are upper bounds. */
  double deltaAbove(double epsilon) {
    Uncharged raw = delta(epsilon);
    return Math.min(1, raw.delta() + slack * raw.unit());
  }

  /** A lower bound of delta at {@code epsilon >= 0} if the parts are lower bounds. */
  double deltaBelow(double epsilon) {
    Uncharged raw = delta(epsilon);
    return Math.max(0, raw.delta() - slack * raw.unit());
  }

  /**
   * Delta before anything is charged.
   *
   * @param unit what {@code slack} is relative to
   */
  record Uncharged(double delta, double unit) {}

  Uncharged delta(double epsilon) {
    if (empty) {
      return new Uncharged(infinity, infinity);
    }
    Window window = window(tiltForEpsilon(epsilon));
    return new Uncharged(infinity + excess(window, epsilon), infinity + window.chernoff(epsilon));
  }

  /**
   * The epsilon where the finite losses give {@code delta}, walking down from the largest loss.
   * With D = sum of m_i (1 - e^{eps - L_i}) over L_i > eps and E the same sum of m_i e^{eps - L_i},
   * one step down the grid is D += (1 - e^{-h}) E, E = e^{-h} E + m: only positive terms.
   */
  private double crossing(Window window, double delta, int sign) {
    double fall = Math.exp(-step);
    double gain = -Math.expm1(-step);
    double above = 0;
    double at = 0;
    for (long j = window.last; j >= window.first; j--) {
      double loss = window.lossAt(j);
      if (loss <= 0) {
        return 0;
      }
      at = at * fall + window.mass(j);
      double left = delta - sign * slack * window.chernoff(loss - step);
      if (above + gain * at > left) {
        double share = Math.max(0, Math.min(gain, (left - above) / at));
        return loss + Math.log1p(-share);
      }
      above += gain * at;
    }
    return sign > 0 ? window.lossAt(window.first) : 0;
  }

  private double excess(Window window, double epsilon) {
    double fall = Math.exp(-step);
    double gain = -Math.expm1(-step);
    double above = 0;
    double at = 0;
    long j = window.last;
    for (; j >= window.first && window.lossAt(j) > epsilon; j--) {
      above += gain * at;
      at = at * fall + window.mass(j);
    }
    // Beyond the largest loss nothing is left; the difference of losses there may overflow.
    return at == 0 ? 0 : above - at * Math.expm1(epsilon - window.lossAt(j + 1));
  }

  private LossPmf.Cumulant cumulant(double t) {
    double value = 0;
    double slope = 0;
    double curvature = 0;
    for (Part part : parts) {
      LossPmf.Cumulant c = part.pmf().cumulant(t);
      value += part.count() * c.value();
      slope += part.count() * c.slope();
      curvature += part.count() * c.curvature();
    }
    return new LossPmf.Cumulant(value, slope, curvature);
  }

  /**
   * The t that makes (A(t) + target) / t about smallest, where A is the cumulant function of the
   * sum.
   */
  private double tiltForDelta(double target) {
    double start = Math.sqrt(2 * target / Math.max(cumulant(0).curvature(), step * step));
    return solve(
        start,
        target,
        t -> {
          LossPmf.Cumulant c = cumulant(t);
          return t * c.slope() - c.value();
        });
  }

  /**
   * An x at which the increasing function {@code value}, about quadratic near 0, is {@code target}
   * within a few percent; the largest allowed tilt where it stays below.
   */
  private double solve(double start, double target, DoubleUnaryOperator value) {
    double low = 0;
    double high = 50 / step;
    double x = Math.min(start, high);
    for (int i = 0; i < 60; i++) {
      double reached = value.applyAsDouble(x);
      if (Math.abs(reached - target) < 0.05 * target || high - low < 0.01 * high) {
        break;
      }
      if (reached < target) {
        low = x;
      } else {
        high = x;
      }
      double next = x * Math.sqrt(target / Math.max(reached, target / 64));
      // Where the function bends sharply the extrapolation can jump to and fro: bisect in between.
      boolean inside = next > low && next < high && i % 3 != 2;
      x = inside ? next : low > 0 ? Math.sqrt(low * high) : high / 8;
    }
    return x;
  }

  /** The t >= 0 that makes A(t) - t epsilon about smallest. */
  private double tiltForEpsilon(double epsilon) {
    if (cumulant(0).slope() >= epsilon) {
      return 0;
    }
    double most = 50 / step;
    double low = 0;
    double high = Math.min(most, 1);
    while (high < most && cumulant(high).slope() < epsilon) {
      low = high;
      high = Math.min(most, 2 * high);
    }
    while (high - low > 0.02 * high) {
      double mid = 0.5 * (low + high);
      if (cumulant(mid).slope() < epsilon) {
        low = mid;
      } else {
        high = mid;
      }
    }
    return high;
  }

  /**
   * The loss beyond which, on the side of {@code sign}, the sum tilted by {@code t} has mass at
   * most OUTSIDE.
   */
  private double reach(double t, LossPmf.Cumulant at, int sign) {
    double target = Math.log(1 / OUTSIDE);
    double start = Math.sqrt(2 * target / Math.max(at.curvature(), step * step));
    double s =
        solve(
            start,
            target,
            x -> {
              LossPmf.Cumulant c = cumulant(t + sign * x);
              return sign * x * c.slope() - (c.value() - at.value());
            });
    return sign * (cumulant(t + sign * s).value() - at.value() + target) / s;
  }

  private Window window(double t) {
    LossPmf.Cumulant at = cumulant(t);
    long origin = 0;
    long top = 0;
    for (Part part : parts) {
      origin += part.count() * part.pmf().first;
      top += part.count() * (part.pmf().first + part.pmf().mass.length - 1);
    }
    long low = Math.max(origin, (long) Math.floor((reach(t, at, -1) - shift) / step));
    long high = Math.min(top, (long) Math.ceil((reach(t, at, 1) - shift) / step));
    long wanted = Math.max(4, high - low + 1);
    if (wanted > LARGEST_TRANSFORM) {
      throw new GridTooLarge();
    }
    int length = Integer.highestOneBit((int) wanted - 1) * 2;
    return new Window(t, at.value(), low, high, origin, transform(t, length));
  }

  /**
   * Masses of the tilted sum, index j of the sum (counted from its lowest) at j modulo {@code
   * length}.
   */
  private double[] transform(double t, int length) {
    RealFft fft = new RealFft(length);
    double[] product = new double[length];
    for (int i = 0; i < length; i += 2) {
      product[i] = 1;
    }
    product[1] = 1;
    for (Part part : parts) {
      double[] spectrum = new double[length];
      part.pmf().addTilted(t, part.pmf().cumulant(t).value(), spectrum);
      fft.forward(spectrum);
      RealFft.multiplyPower(product, spectrum, part.count());
    }
    fft.inverse(product);
    return product;
  }

  /**
   * The tilted masses of the sum at indices first .. last, stored modulo the length of the
   * transform.
   */
  private final class Window {
    private final double tilt;
    private final double logMoment;
    private final long first;
    private final long last;
    private final long origin;
    private final double[] masses;

    Window(double tilt, double logMoment, long first, long last, long origin, double[] masses) {
      this.tilt = tilt;
      this.logMoment = logMoment;
      this.first = first;
      this.last = last;
      this.origin = origin;
      this.masses = masses;
    }

    double lossAt(long j) {
      return j * step + shift;
    }

    /** Mass at index j without the tilt; round-off below zero is cut. */
    double mass(long j) {
      double tilted = masses[(int) (j - origin) & (masses.length - 1)];
      return tilted > 0 ? tilted * chernoff(lossAt(j)) : 0;
    }

    /** Chernoff's bound of the mass at losses from {@code loss} on. */
    double chernoff(double loss) {
      return Math.exp(logMoment - tilt * loss);
    }

    /** The loss at which Chernoff's bound is {@code value}. */
    double chernoffInverse(double value) {
      return tilt == 0 ? Double.NEGATIVE_INFINITY : (logMoment - Math.log(value)) / tilt;
    }
  }
}
