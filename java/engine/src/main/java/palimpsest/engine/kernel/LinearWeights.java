package palimpsest.engine.kernel;

/**
 * A linear layer's weights in the form a provider multiplies fastest; made by {@link Linear#pack}.
 */
public interface LinearWeights {
  /** Input width K. */
  long in();

  /** Output width P. */
  long out();

  /** Whether {@link Linear#backward} can be called with these weights. */
  boolean hasBackward();
}
