package palimpsest.engine.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A view of numbers in memory: a segment, an element type, a shape and, for matrices, the distance
 * between rows.
 *
 * <p>Kernels see every tensor as {@code rows() x cols()}: the last dimension is contiguous, the
 * ones before it are rows, {@code stride()} elements apart. A column range of a matrix is therefore
 * a tensor too. A tensor owns nothing: its memory lives as long as the arena it came from.
 */
public final class Tensor {
  private final MemorySegment data;
  private final DType type;
  private final long[] shape;
  private final long rows;
  private final long cols;
  private final long stride;

  private Tensor(MemorySegment data, DType type, long[] shape, long stride) {
    this.data = data;
    this.type = type;
    this.shape = shape;
    this.cols = shape.length == 0 ? 1 : shape[shape.length - 1];
    long count = 1;
    for (int i = 0; i < shape.length - 1; i++) {
      count = Math.multiplyExact(count, shape[i]);
    }
    this.rows = count;
    this.stride = stride;
    long last =
        rows == 0 || cols == 0 ? 0 : Math.addExact(Math.multiplyExact(rows - 1, stride), cols);
    if (Math.multiplyExact(last, type.bytes()) > data.byteSize()) {
      throw new IllegalArgumentException(
          "a tensor of shape "
              + Arrays.toString(shape)
              + " "
              + type
              + " does not fit in "
              + data.byteSize()
              + " bytes");
    }
  }

  /** A contiguous tensor over the start of {@code data}. */
  public static Tensor of(MemorySegment data, DType type, long... shape) {
    for (long dimension : shape) {
      if (dimension < 0) {
        throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
      }
    }
    long cols = shape.length == 0 ? 1 : shape[shape.length - 1];
    return new Tensor(data, type, shape.clone(), cols);
  }

  public MemorySegment data() {
    return data;
  }

  public DType type() {
    return type;
  }

  public long[] shape() {
    return shape.clone();
  }

  /** Product of all dimensions but the last. */
  public long rows() {
    return rows;
  }

  /** The last dimension. */
  public long cols() {
    return cols;
  }

  /** Elements from the start of one row to the start of the next. */
  public long stride() {
    return stride;
  }

  public long size() {
    return rows * cols;
  }

  public boolean isContiguous() {
    return stride == cols || rows <= 1;
  }

  /** Rows {@code first .. first + count - 1} of this matrix, without a copy. */
  public Tensor rows(long first, long count) {
    if (first < 0 || count < 0 || first + count > rows) {
      throw new IndexOutOfBoundsException("rows " + first + " + " + count + " of " + rows);
    }
    long offset = count == 0 ? 0 : first * stride * type.bytes();
    return new Tensor(data.asSlice(offset), type, new long[] {count, cols}, stride);
  }

  /** Columns {@code first .. first + count - 1} of this matrix, without a copy. */
  public Tensor columns(long first, long count) {
    if (first < 0 || count < 0 || first + count > cols) {
      throw new IndexOutOfBoundsException("columns " + first + " + " + count + " of " + cols);
    }
    return new Tensor(data.asSlice(first * type.bytes()), type, new long[] {rows, count}, stride);
  }

  /** Elements of a contiguous tensor from number {@code first} on, as a tensor of that shape. */
  public Tensor part(long first, long... newShape) {
    if (!isContiguous()) {
      throw new IllegalStateException("only a contiguous tensor can be cut like that");
    }
    long count = 1;
    for (long dimension : newShape) {
      count = Math.multiplyExact(count, dimension);
    }
    if (first < 0 || count < 0 || Math.addExact(first, count) > size()) {
      throw new IndexOutOfBoundsException(first + " + " + count + " of " + size());
    }
    return of(data.asSlice(first * type.bytes(), count * type.bytes()), type, newShape);
  }

  /** The same contiguous elements under another shape of at most the same size. */
  public Tensor reshape(long... newShape) {
    if (!isContiguous()) {
      throw new IllegalStateException("only a contiguous tensor can be reshaped");
    }
    Tensor result = of(data, type, newShape);
    if (result.size() > size()) {
      throw new IllegalArgumentException(
          Arrays.toString(newShape) + " is larger than " + Arrays.toString(shape));
    }
    return result;
  }

  /** Element {@code (row, col)} as a double (I64 beyond 2^53 is rounded: use {@link #getLong}). */
  public double get(long row, long col) {
    return getAt(row * stride + col);
  }

  /** Sets element {@code (row, col)}, rounded to the element type. */
  public void set(long row, long col, double value) {
    setAt(row * stride + col, value);
  }

  /** Element {@code index} of a contiguous tensor. */
  public double get(long index) {
    return isContiguous() ? getAt(index) : getAt(index / cols * stride + index % cols);
  }

  /** Sets element {@code index}, counted row by row. */
  public void set(long index, double value) {
    setAt(isContiguous() ? index : index / cols * stride + index % cols, value);
  }

  private double getAt(long at) {
    return switch (type) {
      case F64 -> data.get(JAVA_DOUBLE_UNALIGNED, at * 8);
      case F32 -> data.get(JAVA_FLOAT_UNALIGNED, at * 4);
      case BF16 -> DType.fromBf16(data.get(JAVA_SHORT_UNALIGNED, at * 2));
      case F16 -> Float.float16ToFloat(data.get(JAVA_SHORT_UNALIGNED, at * 2));
      case I64 -> data.get(JAVA_LONG_UNALIGNED, at * 8);
      case I32 -> data.get(JAVA_INT_UNALIGNED, at * 4);
      case I16 -> data.get(JAVA_SHORT_UNALIGNED, at * 2);
      case I8 -> data.get(JAVA_BYTE, at);
      case U8, BOOL -> data.get(JAVA_BYTE, at) & 0xff;
    };
  }

  private void setAt(long at, double value) {
    switch (type) {
      case F64 -> data.set(JAVA_DOUBLE_UNALIGNED, at * 8, value);
      case F32 -> data.set(JAVA_FLOAT_UNALIGNED, at * 4, (float) value);
      case BF16 -> data.set(JAVA_SHORT_UNALIGNED, at * 2, DType.toBf16((float) value));
      case F16 -> data.set(JAVA_SHORT_UNALIGNED, at * 2, Float.floatToFloat16((float) value));
      case I64 -> data.set(JAVA_LONG_UNALIGNED, at * 8, (long) value);
      case I32 -> data.set(JAVA_INT_UNALIGNED, at * 4, (int) value);
      case I16 -> data.set(JAVA_SHORT_UNALIGNED, at * 2, (short) value);
      case I8, U8, BOOL -> data.set(JAVA_BYTE, at, (byte) value);
    }
  }

  /** Element {@code index} of an integer tensor, counted row by row, exactly. */
  public long getLong(long index) {
    long at = isContiguous() ? index : index / cols * stride + index % cols;
    return type == DType.I64 ? data.get(JAVA_LONG_UNALIGNED, at * 8) : (long) getAt(at);
  }

  /** Sets element {@code index} of an integer tensor; I32 takes the value modulo 2^32. */
  public void setLong(long index, long value) {
    long at = isContiguous() ? index : index / cols * stride + index % cols;
    switch (type) {
      case I64 -> data.set(JAVA_LONG_UNALIGNED, at * 8, value);
      case I32 -> data.set(JAVA_INT_UNALIGNED, at * 4, (int) value);
      default -> setAt(at, value);
    }
  }

  /** Writes {@code value} to every element. */
  public Tensor fill(double value) {
    for (long row = 0; row < rows; row++) {
      for (long col = 0; col < cols; col++) {
        set(row, col, value);
      }
    }
    return this;
  }

  /**
   * Copies every element of {@code source} (same size, any type) into this tensor, rounding to its
   * type.
   */
  public Tensor copyFrom(Tensor source) {
    if (source.size() != size()) {
      throw new IllegalArgumentException("sizes differ: " + source.size() + " and " + size());
    }
    if (source.type == type && source.isContiguous() && isContiguous()) {
      MemorySegment.copy(source.data, 0, data, 0, size() * type.bytes());
      return this;
    }
    for (long i = 0; i < size(); i++) {
      set(i, source.get(i));
    }
    return this;
  }

  /** The shape and type; never the contents, which may be private. */
  @Override
  public String toString() {
    return type + Arrays.toString(shape);
  }
}
