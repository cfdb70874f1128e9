package palimpsest.engine.kernel;

import palimpsest.engine.tensor.Tensor;

/**
 * Parameter updates from the noisy integer sum, or from a float sum of public gradients. Everywhere
 * g = gradScale * sums.
 */
public interface Optimizer {
  /** An optimizer and its settings in a step. */
  sealed interface Settings permits Sgd, Adaptive, Adafactor {
    /** Step size of this step. */
    double learningRate();

    /** The same with another step size. */
    Settings withLearningRate(double rate);

    /** Decay of the parameters, 0 for none. */
    double weightDecay();

    /** The same without decay, for parameters that have none. */
    Settings withoutDecay();
  }

  /**
   * Stochastic gradient descent.
   *
   * @param learningRate step size of this step
   * @param momentum share of the velocity that stays from step to step; 0 keeps none
   * @param weightDecay this many times the parameters are added to their gradient
   */
  record Sgd(double learningRate, double momentum, double weightDecay) implements Settings {
    @Override
    public Sgd withLearningRate(double rate) {
      return new Sgd(rate, momentum, weightDecay);
    }

    @Override
    public Sgd withoutDecay() {
      return new Sgd(learningRate, momentum, 0);
    }
  }

  /** The two optimizers with a first and a second moment of each parameter. */
  sealed interface Adaptive extends Settings permits Adam, AdamW {
    /** Decay of the first moment. */
    double beta1();

    /** Decay of the second moment. */
    double beta2();

    /** Added to the root of the second moment. */
    double epsilon();
  }

  /**
   * Adam (Kingma and Ba 2015).
   *
   * @param learningRate step size of this step
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param epsilon added to the root of the second moment
   * @param weightDecay this many times the parameters are added to their gradient
   */
  record Adam(double learningRate, double beta1, double beta2, double epsilon, double weightDecay)
      implements Adaptive {
    @Override
    public Adam withLearningRate(double rate) {
      return new Adam(rate, beta1, beta2, epsilon, weightDecay);
    }

    @Override
    public Adam withoutDecay() {
      return new Adam(learningRate, beta1, beta2, epsilon, 0);
    }
  }

  /**
   * AdamW (Loshchilov and Hutter 2019).
   *
   * @param learningRate step size of this step
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param epsilon added to the root of the second moment
   * @param weightDecay decoupled decay a unit of learning rate
   */
  record AdamW(double learningRate, double beta1, double beta2, double epsilon, double weightDecay)
      implements Adaptive {
    @Override
    public AdamW withLearningRate(double rate) {
      return new AdamW(rate, beta1, beta2, epsilon, weightDecay);
    }

    @Override
    public AdamW withoutDecay() {
      return new AdamW(learningRate, beta1, beta2, epsilon, 0);
    }
  }

  /**
   * Adafactor with a rate of its own (Shazeer and Stern 2018, algorithm 4): the second moment of a
   * matrix is kept as means of its rows and columns.
   *
   * @param learningRate step size of this step
   * @param beta1 decay of the first moment; 0 keeps none
   * @param decay the second moment's decay in step t is 1 - t^-decay
   * @param epsilon added to squares of gradients
   * @param threshold d: a matrix's update whose root mean square is above it is scaled down to it
   */
  record Adafactor(
      double learningRate, double beta1, double decay, double epsilon, double threshold)
      implements Settings {
    /** With the paper's settings and no first moment. */
    public static Adafactor of(double learningRate) {
      return new Adafactor(learningRate, 0, 0.8, 1e-30, 1);
    }

    @Override
    public Adafactor withLearningRate(double rate) {
      return new Adafactor(rate, beta1, decay, epsilon, threshold);
    }

    @Override
    public double weightDecay() {
      return 0;
    }

    @Override
    public Adafactor withoutDecay() {
      return this;
    }
  }

  /**
   * Adam or AdamW: updates the moments, corrects their bias for {@code step} (from 1) and moves the
   * parameters.
   *
   * @param sums I64, I32 or wide [P]
   * @param gradScale gradient a grid step: C / (2^bits * expected batch)
   * @param parameters wide [P], updated
   * @param firstMoment wide [P], updated
   * @param secondMoment wide [P], updated
   */
  void update(
      Tensor sums,
      double gradScale,
      Adaptive settings,
      long step,
      Tensor parameters,
      Tensor firstMoment,
      Tensor secondMoment);

  /**
   * SGD: the velocity becomes momentum times itself and the gradient; the parameters go against it.
   *
   * @param sums I64, I32 or wide [P]
   * @param gradScale gradient a grid step
   * @param parameters wide [P], updated
   * @param velocity wide [P], updated; null without momentum, when the gradient takes its place
   */
  void sgdUpdate(Tensor sums, double gradScale, Sgd settings, Tensor parameters, Tensor velocity);

  /**
   * Adafactor's sums over rows of a matrix: adds the squares of g, or of g times the factors of its
   * row and column. Each row's sum, and what each column's sum gains, takes the elements in an
   * order that follows from the shape.
   *
   * @param sums I64, I32 or wide [n, m]
   * @param gradScale gradient a grid step
   * @param rowFactors wide [n], or null
   * @param colFactors wide [m], or null, both or neither
   * @param rowSums F64 [n], added to
   * @param colSums F64 [m], added to, or null
   */
  void factoredAccumulate(
      Tensor sums,
      double gradScale,
      Tensor rowFactors,
      Tensor colFactors,
      Tensor rowSums,
      Tensor colSums);

  /**
   * Adafactor's update of rows of a matrix: u = clip * g times the factors of its row and column;
   * the first moment moves towards u and the parameters against it.
   *
   * @param sums I64, I32 or wide [n, m]
   * @param gradScale gradient a grid step
   * @param settings of which the rate and beta1 are read
   * @param rowFactors wide [n]
   * @param colFactors wide [m]
   * @param clip what the matrix's whole update is scaled by
   * @param parameters wide [n, m], updated
   * @param firstMoment wide [n, m], updated; null without, when u takes its place
   */
  void factoredUpdate(
      Tensor sums,
      double gradScale,
      Adafactor settings,
      Tensor rowFactors,
      Tensor colFactors,
      double clip,
      Tensor parameters,
      Tensor firstMoment);
}
