package palimpsest.engine.kernel;

/** The two low-rank factors of one adapted layer in the form a provider multiplies fastest. */
public interface LoraFactors {
  int rank();

  /** Input width K of the adapted layer. */
  long in();

  /** Output width P of the adapted layer. */
  long out();
}
