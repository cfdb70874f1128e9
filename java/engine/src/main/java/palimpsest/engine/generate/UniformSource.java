package palimpsest.engine.generate;

/** Random numbers by place, so that a text does not depend on what is sampled beside it. */
@FunctionalInterface
public interface UniformSource {
  /**
   * A number in [0, 1), the same at every call; called by several threads at once.
   *
   * @param index the request's
   * @param position of the token in the text, from 0
   */
  double at(int index, int position);
}
