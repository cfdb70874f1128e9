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

  /** Candidate shifts of the lower bound's grid per step. */
  private static final int SHIFTS = 1024;

  private final double step;
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
    left = pair.below(start);
    right = pair.above(end);
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
    return new LossPmf(from, mass, step, 0, exchanged ? left.q() : right.p());
  }

  /**
   * A distribution that the loss of P against Q (of Q against P when {@code exchanged}) dominates.
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
    double shift = bestShift(mass, rise);
    long from = (exchanged ? -(first + n) : first) - 1;
    return new LossPmf(from, gather(mass, rise, shift), step, shift, 0);
  }

  /**
   * Moves atoms onto the grid by merging, which is post-processing: from the top down, each grid
   * point takes the atoms at or above it and, to bring their common loss down to its own, as much
   * as it needs of the atoms below. Only an excess that is left at the very bottom is rounded down.
   * The error is of second order in the step, whereas rounding every atom down would be of first.
   *
   * @param mass masses of the atoms, in rising order of loss
   * @param rise loss of atom i above the i-th cell's lower end, in [0, step]
   * @return masses at grid points, point i + 1 being {@code shift} above the i-th cell's lower end
   */
  private double[] gather(double[] mass, double[] rise, double shift) {
    int n = mass.length;
    double[] out = new double[n + 1];
    double[] left = mass.clone();
    int top = n - 1;
    for (int point = n; point >= 0 && top >= 0; point--) {
      double excess = 0;
      for (; top >= 0 && above(top, point, rise, shift) >= 0; top--) {
        excess -= left[top] * Math.expm1(-above(top, point, rise, shift));
        out[point] += left[top];
      }
      while (excess > 0 && top >= 0) {
        double deficit = left[top] * Math.expm1(-above(top, point, rise, shift));
        if (deficit > excess) {
          double taken = left[top] * (excess / deficit);
          out[point] += taken;
          left[top] -= taken;
          excess = 0;
        } else {
          out[point] += left[top];
          excess -= deficit;
          top--;
        }
      }
    }
    return out;
  }

  /** Loss of atom {@code i} above grid point {@code point}. */
  private double above(int i, int point, double[] rise, double shift) {
    return (i + 1 - point) * step + rise[i] - shift;
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

  /**
   * The shift of the grid that loses least mean loss when every atom is rounded down to it. Plain
   * rounding down costs half a step per composition.
   */
  private double bestShift(double[] mass, double[] rise) {
    double[] bucket = new double[SHIFTS + 1];
    double total = 0;
    for (int i = 0; i < mass.length; i++) {
      bucket[(int) Math.min(SHIFTS, rise[i] / step * SHIFTS)] += mass[i];
      total += mass[i];
    }
    double below = 0;
    double best = Double.NEGATIVE_INFINITY;
    double shift = 0;
    for (int j = 0; j <= SHIFTS; j++) {
      double candidate = step * j / SHIFTS;
      double gain = candidate * total - step * below;
      if (gain > best) {
        best = gain;
        shift = candidate;
      }
      below += bucket[j];
    }
    return shift;
  }
}
