package palimpsest.engine.weights;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A GGUF file (llama.cpp's format, versions 2 and 3, little-endian), mapped read-only: typed
 * settings and quantised tensors, read as exact float32 values.
 *
 * <p>Shapes are given slowest dimension first, as everywhere else here; the file lists them the
 * other way round. Every count, length and offset is checked before {@link #open} returns.
 */
public final class Gguf implements AutoCloseable {
  /** Numbers dequantised at a time. */
  private static final int PIECE = 1 << 16;

  private final MappedFile file;
  private final GgufHeader header;

  private Gguf(MappedFile file, GgufHeader header) {
    this.file = file;
    this.header = header;
  }

  /**
   * Maps a file.
   *
   * @throws ModelFileException if it is missing, breaks a rule of the format, or holds a number
   *     format that cannot be read
   */
  public static Gguf open(Path path) {
    MappedFile file = MappedFile.open(path);
    try {
      return new Gguf(file, GgufHeader.read(file));
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  public Path path() {
    return file.path();
  }

  /** The names of the tensors, in the order of the file. */
  public Set<String> names() {
    return Collections.unmodifiableSet(header.tensors().keySet());
  }

  /** The shape of a tensor, slowest dimension first. */
  public long[] shape(String name) {
    return entry(name).shape().clone();
  }

  /** The number format of a tensor, such as {@code Q4_1}. */
  public String type(String name) {
    return entry(name).type().name();
  }

  public boolean has(String key) {
    return header.settings().containsKey(key);
  }

  /** A text setting. */
  public String string(String key) {
    return setting(key, String.class, "a text");
  }

  /** An integer setting of 0 to 2^31 - 1. */
  public int integer(String key) {
    long value = setting(key, Long.class, "an integer");
    if (value < 0 || value > Integer.MAX_VALUE) {
      throw refuse("setting " + quote(key) + " is " + value + ", out of range");
    }
    return (int) value;
  }

  /** A floating-point setting: the shortest decimal that is the stored float32. */
  public double real(String key) {
    Object value = header.settings().get(key);
    if (value instanceof Float number) {
      return Double.parseDouble(Float.toString(number));
    }
    return setting(key, Double.class, "a real number");
  }

  public boolean flag(String key) {
    return setting(key, Boolean.class, "true or false");
  }

  /** A list of texts. */
  public List<String> strings(String key) {
    return List.of(setting(key, String[].class, "a list of texts"));
  }

  /** A list of integers. */
  public long[] integers(String key) {
    return setting(key, long[].class, "a list of integers").clone();
  }

  /** A list of floating-point numbers. */
  public float[] reals(String key) {
    return setting(key, float[].class, "a list of real numbers").clone();
  }

  private <T> T setting(String key, Class<T> type, String what) {
    Object value = header.settings().get(key);
    if (value == null) {
      throw refuse("no setting " + quote(key));
    }
    if (!type.isInstance(value)) {
      throw refuse("setting " + quote(key) + " is not " + what);
    }
    return type.cast(value);
  }

  /**
   * A row of a tensor, dequantised.
   *
   * @param row index into all dimensions but the last
   * @param out room for at least one row
   */
  public void row(String name, long row, float[] out) {
    GgufHeader.Entry entry = entry(name);
    if (row < 0 || row >= entry.rows()) {
      throw new IndexOutOfBoundsException("row " + row + " of " + entry.rows());
    }
    int cols = Math.toIntExact(entry.cols());
    MemorySegment bytes = file.segment().asSlice(entry.offset(), entry.bytes());
    entry.type().dequantise(bytes, row * (entry.bytes() / entry.rows()), cols, out);
  }

  /** A tensor as float32, in the arena's memory. */
  public Tensor dequantise(String name, TensorArena arena) {
    GgufHeader.Entry entry = entry(name);
    Tensor result = arena.allocate(DType.F32, entry.shape());
    MemorySegment bytes = file.segment().asSlice(entry.offset(), entry.bytes());
    int piece = PIECE / entry.type().blockSize() * entry.type().blockSize();
    float[] numbers = new float[piece];
    for (long at = 0; at < result.size(); at += piece) {
      int count = (int) Math.min(piece, result.size() - at);
      long from = at / entry.type().blockSize() * entry.type().blockBytes();
      entry.type().dequantise(bytes, from, count, numbers);
      MemorySegment.copy(
          MemorySegment.ofArray(numbers), 0, result.data(), at * Float.BYTES, count * 4L);
    }
    return result;
  }

  private GgufHeader.Entry entry(String name) {
    GgufHeader.Entry entry = header.tensors().get(name);
    if (entry == null) {
      throw refuse("no tensor " + quote(name));
    }
    return entry;
  }

  /** An error about this file. */
  public ModelFileException refuse(String problem) {
    return file.refuse(problem);
  }

  @Override
  public void close() {
    file.close();
  }
}
