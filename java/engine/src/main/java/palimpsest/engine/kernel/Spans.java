package palimpsest.engine.kernel;

import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Where the examples of a group lie in its rows: example b has queries [queryStart, queryStart +
 * queryCount) and attends to keys [keyStart, keyStart + keyCount). Its last query stands at its
 * last key: in training the two ranges are equal; with a key cache one new query sees all earlier
 * keys.
 *
 * @param values I32 [4, capacity]: query starts, query counts, key starts, key counts
 */
public record Spans(Tensor values, int count) {
  /** Room for {@code capacity} examples. */
  public static Tensor allocate(int capacity, TensorArena arena) {
    return arena.allocate(DType.I32, 4, capacity);
  }

  public int queryStart(int example) {
    return (int) values.get(0, example);
  }

  public int queryCount(int example) {
    return (int) values.get(1, example);
  }

  public int keyStart(int example) {
    return (int) values.get(2, example);
  }

  public int keyCount(int example) {
    return (int) values.get(3, example);
  }

  /** Sets example {@code example}. */
  public static void set(
      Tensor values, int example, int queryStart, int queryCount, int keyStart, int keyCount) {
    values.set(0, example, queryStart);
    values.set(1, example, queryCount);
    values.set(2, example, keyStart);
    values.set(3, example, keyCount);
  }
}
