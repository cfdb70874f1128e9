package palimpsest.engine.weights;

import java.util.Map;
import java.util.Set;
import palimpsest.engine.tensor.Tensor;

/** Named tensors in files: one file or a folder of shards. Tensors are views; close ends them. */
public interface TensorSource extends AutoCloseable {
  /** The names, in the order of their data. */
  Set<String> names();

  /** The shape of a tensor, without touching its data. */
  long[] shape(String name);

  /**
   * A read-only view of the mapped numbers, without a copy; valid until {@link #close}.
   *
   * @throws ModelFileException if there is no such tensor, or its type is none of {@link
   *     palimpsest.engine.tensor.DType}
   */
  Tensor tensor(String name);

  /** The file's free-form notes. */
  Map<String, String> metadata();

  @Override
  void close();
}
