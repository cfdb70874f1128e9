package palimpsest.privacy;

/**
 * One mechanism, run once, as discrete privacy-loss distributions in both directions of adjacency.
 */
sealed interface StepLoss {
  /**
   * Discretises the mechanism.
   *
   * @param step grid step in epsilon
   * @param z normal quantile beyond which mass counts as tail
   */
  Bounds discretise(double step, double z);

  /**
   * Smaller of the standard deviations of the loss in the two directions: the natural unit of the
   * grid step.
   */
  double deviation();

  /** Largest finite loss the grid has to hold, at tail quantile {@code z}. */
  double range(double z);

  /** Whether both directions have the same distribution. */
  boolean symmetric();

  /** Whether a distribution that the true one dominates is known. */
  boolean exact();

  /**
   * Distributions that bound the loss of one run. {@code add} means that the direction is the
   * exchanged one.
   */
  interface Bounds {
    /** A distribution that dominates the true one. */
    LossPmf upper(boolean add);

    /** A distribution that the true one dominates; null when none but the trivial one is known. */
    LossPmf lower(boolean add);
  }

  /** A pair of densities. */
  record Continuous(LossPair pair) implements StepLoss {
    @Override
    public Bounds discretise(double step, double z) {
      LossCells cells = new LossCells(pair, step, z);
      return new Bounds() {
        @Override
        public LossPmf upper(boolean add) {
          return cells.upper(add);
        }

        @Override
        public LossPmf lower(boolean add) {
          return cells.lower(add);
        }
      };
    }

    @Override
    public double deviation() {
      double start = pair.start(8);
      int pieces = (int) Math.ceil((pair.end(8) - start) / pair.scale());
      double width = (pair.end(8) - start) / pieces;
      double[] p = new double[3];
      double[] q = new double[3];
      for (int i = 0; i < pieces; i++) {
        double x = start + (i + 0.5) * width;
        double loss = pair.loss(x);
        double logQ = pair.logDensityQ(x);
        double massP = width * Math.exp(logQ + loss);
        double massQ = width * Math.exp(logQ);
        for (int k = 0; k < 3; k++) {
          p[k] += massP * Math.pow(loss, k);
          q[k] += massQ * Math.pow(loss, k);
        }
      }
      return Math.sqrt(Math.min(variance(p), variance(q)));
    }

    private static double variance(double[] moments) {
      double mean = moments[1] / moments[0];
      return Math.max(Double.MIN_NORMAL, moments[2] / moments[0] - mean * mean);
    }

    @Override
    public double range(double z) {
      return pair.loss(pair.end(z)) - pair.loss(pair.start(z));
    }

    @Override
    public boolean symmetric() {
      return pair.symmetric();
    }

    @Override
    public boolean exact() {
      return true;
    }
  }

  /**
   * Infinite loss with probability delta, else plus or minus epsilon: the worst (epsilon, delta)-DP
   * mechanism.
   *
   * @param exact whether the mechanism is this one rather than merely dominated by it
   */
  record TwoPoint(double epsilon, double delta, boolean exact) implements StepLoss {
    @Override
    public Bounds discretise(double step, double z) {
      return new Bounds() {
        @Override
        public LossPmf upper(boolean add) {
          return TwoPoint.this.upper(step);
        }

        @Override
        public LossPmf lower(boolean add) {
          return exact ? TwoPoint.this.lower(step) : null;
        }
      };
    }

    private double highMass() {
      return (1 - delta) / (1 + Math.exp(-epsilon));
    }

    private double lowMass() {
      return (1 - delta) / (1 + Math.exp(epsilon));
    }

    /**
     * Each atom goes to the two grid points beside it such that its mass under both distributions
     * is kept.
     */
    private LossPmf upper(double step) {
      int reach = (int) Math.floor(epsilon / step);
      double excess = epsilon - reach * step;
      double full = Math.expm1(-step);
      double up = Math.min(1, Math.expm1(-excess) / full);
      double down = Math.max(0, Math.expm1(excess - step) / full);
      double[] mass = new double[2 * reach + 3];
      mass[2 * reach + 2] += highMass() * up;
      mass[2 * reach + 1] += highMass() * (1 - up);
      mass[1] += lowMass() * down;
      mass[0] += lowMass() * (1 - down);
      return new LossPmf(-reach - 1, mass, step, 0, delta);
    }

    /** A grid shifted to hold +epsilon; -epsilon is rounded down onto it. */
    private LossPmf lower(double step) {
      int reach = (int) Math.floor(epsilon / step);
      double excess = epsilon - reach * step;
      double[] mass = new double[2 * reach + 3];
      mass[2 * reach + 2] += highMass();
      mass[2 - (int) Math.ceil(2 * excess / step)] += lowMass();
      return new LossPmf(-reach - 2, mass, step, excess, delta);
    }

    @Override
    public double deviation() {
      return Math.max(epsilon, 1e-12);
    }

    @Override
    public double range(double z) {
      return 2 * epsilon;
    }

    @Override
    public boolean symmetric() {
      return true;
    }
  }

  /**
   * Poisson sampling with a cap on the batch: with probability {@code weight} the cap binds and a
   * record may replace another (Ganesh 2025). An upper bound only.
   */
  record Truncated(Continuous free, Continuous bound, double weight) implements StepLoss {
    @Override
    public Bounds discretise(double step, double z) {
      Bounds first = free.discretise(step, z);
      Bounds second = bound.discretise(step, z);
      return new Bounds() {
        @Override
        public LossPmf upper(boolean add) {
          return LossPmf.mix(first.upper(add), second.upper(add), weight);
        }

        @Override
        public LossPmf lower(boolean add) {
          return null;
        }
      };
    }

    @Override
    public double deviation() {
      return free.deviation();
    }

    @Override
    public double range(double z) {
      return Math.max(free.range(z), bound.range(z));
    }

    @Override
    public boolean symmetric() {
      return false;
    }

    @Override
    public boolean exact() {
      return false;
    }
  }
}
