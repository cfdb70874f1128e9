package palimpsest.privacy;

/**
 * A continuous pair cut at the multiples of a loss step h. Of each cell [k h, (k+1) h] it knows the
 * mass under P and under Q, and how P (and, for the exchanged pair, Q) must be split over the
 * cell's ends so that both masses are kept.
 *
 * <p>Keeping both masses and moving them to the ends gives a pair that dominates the given one
 * ("connect the dots", Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022). The split is
 * integrated directly, as the integral of (1 - e^{-(l - k h)}) / (1 - e^{-h}); differences of
 * hockey-stick divergences, the textbook form, lose the digits that a fine grid needs. Merging a
 * cell to one atom is post-processing, so it gives a dominated pair.
 */
final class LossCells {
  /** Nodes and weights of Gauss-Legendre quadrature on [-1, 1] with three and with six points. */
  private static final double[][] THREE = {
    {-0.77459666924148337704, 0, 0.77459666924148337704}, {5.0 / 9, 8.0 / 9, 5.0 / 9}
  };

  private static final double[][] SIX = {
    {
      -0.93246951420315202781, -0.66120938646626451366, -0.23861918608319690863,
      0.23861918608319690863, 0.66120938646626451366, 0.93246951420315202781
    },
    {
      0.17132449237917034504, 0.36076157304813860757, 0.46791393457269104739,
      0.46791393457269104739, 0.36076157304813860757, 0.17132449237917034504
    }
  };

  /** Candidate shifts of the lower bound's grid per step: the one with most mean loss is taken. */
  private static final int SHIFTS = 8;

  /**
   * Relative error of a cell's mass for each unit in the exponents that it is made of: those of a
   * density and a loss, which is the logarithm of a sum of exponentials no larger than the
   * density's inverse. A few operations on each are rounded to 2^-53.
   */
  private static final double ROUND_OFF = 0x1p-48;

  private final double step;
  private final double roundOff;
  private final long first;
  private final double[] massP;
  private final double[] massQ;
  private final double[] upperP;
  private final double[] upperQ;
  private final LossPair.Tail left;
  private final LossPair.Tail right;

  /**
   * Integrates {@code pair}.
   *
   * @param step h > 0
   * @param z quantile of the standard normal beyond which mass goes to the tails
   */
  LossCells(LossPair pair, double step, double z) {
    this.step = step;
    double start = pair.start(z);
    double end = pair.end(z);
    first = (long) Math.floor(pair.loss(start) / step);
    long last = (long) Math.floor(pair.loss(end) / step);
    int cells = Math.toIntExact(last - first + 1);
    massP = new double[cells];
    massQ = new double[cells];
    upperP = new double[cells];
    upperQ = new double[cells];
    double x = start;
    for (int i = 0; i < cells; i++) {
      double next =
          i == cells - 1 ? end : Math.min(end, Math.max(x, pair.position((first + i + 1) * step)));
      integrateCell(pair, i, x, next);
      x = next;
    }
    // Densities fall towards the ends, and losses rise; half of their sum would do elsewhere.
    roundOff = ROUND_OFF * (1 + Math.max(exponents(pair, start), exponents(pair, end)));
    left = pair.below(start);
    right = pair.above(end);
  }

  private static double exponents(LossPair pair, double x) {
    return Math.abs(pair.logDensityQ(x)) + Math.abs(pair.loss(x));
  }

  private void integrateCell(LossPair pair, int cell, double from, double to) {
    double width = to - from;
    if (!(width > 0)) {
      return;
    }
    int pieces = (int) Math.ceil(width / pair.scale());
    double[][] rule = width < 0.1 * pair.scale() ? THREE : SIX;
    double half = 0.5 * width / pieces;
    double floor = (first + cell) * step;
    double full = -Math.expm1(-step);
    for (int j = 0; j < pieces; j++) {
      double middle = from + (2 * j + 1) * half;
      for (int i = 0; i < rule[0].length; i++) {
        double x = middle + half * rule[0][i];
        double loss = pair.loss(x);
        double logQ = pair.logDensityQ(x);
        double q = half * rule[1][i] * Math.exp(logQ);
        double p = half * rule[1][i] * Math.exp(logQ + loss);
        double fall = Math.expm1(-Math.max(0, Math.min(step, loss - floor)));
        massP[cell] += p;
        massQ[cell] += q;
        upperP[cell] -= p * fall / full;
        upperQ[cell] += q * (fall + full) / ((1 + fall) * full);
      }
    }
  }

  /** The mass of each cell under Q when {@code exchanged}, else under P. */
  double[] masses(boolean exchanged) {
    return (exchanged ? massQ : massP).clone();
  }

  /**
   * A distribution that dominates the loss of P against Q, or of Q against P when {@code
   * exchanged}.
   */
  LossPmf upper(boolean exchanged) {
    int n = massP.length;
    double[] mass = new double[n + 1];
    for (int i = 0; i < n; i++) {
      if (exchanged) {
        mass[n - i - 1] += Math.max(0, massQ[i] - upperQ[i]);
        mass[n - i] += upperQ[i];
      } else {
        mass[i] += Math.max(0, massP[i] - upperP[i]);
        mass[i + 1] += upperP[i];
      }
    }
    // The tail of lowest loss moves up into the lowest cell's upper end, the tail of highest loss
    // to infinity.
    mass[1] += exchanged ? right.q() : left.p();
    long from = exchanged ? -(first + n) : first;
    return new LossPmf(from, mass, step, 0, exchanged ? left.q() : right.p(), roundOff);
  }

  /**
   * A distribution that the loss of P against Q (of Q against P when {@code exchanged}) dominates.
   *
   * <p>Sampling piles up mass at the lowest losses of P against Q, so the grid is filled from that
   * end in both directions, and what finds no partner is at the other end, in the far tail.
   */
  LossPmf lower(boolean exchanged) {
    int n = massP.length;
    double[] mass = new double[n];
    double[] rise = new double[n];
    for (int i = 0; i < n; i++) {
      int j = exchanged ? n - 1 - i : i;
      mass[i] = exchanged ? massQ[j] : massP[j];
      rise[i] = atomLoss(mass[i], exchanged ? upperQ[j] : upperP[j], first + j);
    }
    long origin = (exchanged ? -(first + n) : first) - 1;
    LossPmf best = null;
    double most = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < SHIFTS; k++) {
      double shift = step * k / SHIFTS;
      double[] gathered = gather(mass, rise, shift, exchanged);
      LossPmf candidate = new LossPmf(origin, gathered, step, shift, 0, roundOff);
      double mean = candidate.mean();
      if (mean > most) {
        most = mean;
        best = candidate;
      }
    }
    return best;
  }

  /**
   * Moves atoms onto the grid by merging, which is post-processing: each grid point in turn takes
   * the atoms that lie behind it and, to bring their common loss to its own, as much as it needs of
   * the atoms ahead. The error is of second order in the step, whereas rounding every atom down
   * would be of first.
   *
   * @param mass masses of the atoms, in rising order of loss
   * @param rise loss of atom i above the i-th cell's lower end, in [0, step]
   * @param falling whether points are taken in falling order; atoms without a partner are then
   *     rounded down, whereas in rising order they are dropped
   * @return masses at grid points, point i + 1 being {@code shift} above the i-th cell's lower end
   */
  private double[] gather(double[] mass, double[] rise, double shift, boolean falling) {
    int n = mass.length;
    double[] out = new double[n + 1];
    int side = falling ? 1 : -1;
    int atom = falling ? n - 1 : 0;
    double left = mass[atom];
    for (int k = 0; k <= n && atom >= 0 && atom < n; k++) {
      int point = falling ? n - k : k;
      double need = 0;
      boolean open = true;
      while (open && atom >= 0 && atom < n) {
        double above = (atom + 1 - point) * step + rise[atom] - shift;
        double worth = -side * left * Math.expm1(-above);
        if (side * above < 0 && need + worth <= 0) {
          // The atom lies ahead and more than covers the need: only a part of it is taken.
          double taken = need > 0 ? left * (need / -worth) : 0;
          out[point] += taken;
          left -= taken;
          need = 0;
          open = false;
        } else {
          need += worth;
          out[point] += left;
          atom -= side;
          left = atom >= 0 && atom < n ? mass[atom] : 0;
        }
      }
      if (need > 0 && !falling) {
        out[point] = 0;
      }
    }
    return out;
  }

  /** Loss of a cell merged to one atom, above the cell's lower end, with a margin for round-off. */
  private double atomLoss(double mass, double upper, long k) {
    if (!(mass > 0)) {
      return 0;
    }
    double full = -Math.expm1(-step);
    double loss = -Math.log1p(-full * Math.min(1, upper / mass));
    return Math.max(0, Math.min(step, loss - 1e-13 * (1 + Math.abs(k * step))));
  }
}
