package palimpsest.engine.weights;

import java.util.Arrays;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;
import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.Float2Vector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.SmallIntVector;
import org.apache.arrow.vector.TinyIntVector;
import org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.vector.UInt2Vector;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import palimpsest.engine.tensor.Tensor;

/**
 * Tensors as Apache Arrow vectors over the same memory. Only Arrow's validity bitmap (a bit a
 * number) is allocated.
 */
public final class ArrowView {
  private ArrowView() {}

  /**
   * A vector of the tensor's numbers, row after row, at the tensor's own address.
   *
   * <p>F64, F32, F16, I64, I32, I16, I8 and U8 become Arrow's vectors of the same type. Arrow has
   * no bfloat16: BF16 becomes UInt2 with the 16 bits of each number. It packs booleans in bits:
   * BOOL becomes UInt1 with 0 or 1.
   *
   * @param tensor contiguous, in memory off the heap; must live until the vector is closed. The
   *     vector of a mapped file can be read only
   * @throws IllegalArgumentException if the tensor has gaps, lies on the heap, or has 2^31 numbers
   *     or more
   */
  public static BaseFixedWidthVector of(Tensor tensor, String name, BufferAllocator allocator) {
    if (!tensor.isContiguous() || !tensor.data().isNative() || tensor.size() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "tensor " + tensor + " is not contiguous native memory of fewer than 2^31 numbers");
    }
    BaseFixedWidthVector vector = empty(tensor, name, allocator);
    if (tensor.size() == 0) {
      return vector;
    }
    ArrowBuf numbers = wrap(tensor, allocator);
    try {
      vector.loadFieldBuffers(new ArrowFieldNode(tensor.size(), 0), Arrays.asList(null, numbers));
      return vector;
    } catch (RuntimeException e) {
      vector.close();
      throw e;
    } finally {
      numbers.getReferenceManager().release();
    }
  }

  private static BaseFixedWidthVector empty(Tensor tensor, String name, BufferAllocator allocator) {
    return switch (tensor.type()) {
      case F64 -> new Float8Vector(name, allocator);
      case F32 -> new Float4Vector(name, allocator);
      case F16 -> new Float2Vector(name, allocator);
      case BF16 -> new UInt2Vector(name, allocator);
      case I64 -> new BigIntVector(name, allocator);
      case I32 -> new IntVector(name, allocator);
      case I16 -> new SmallIntVector(name, allocator);
      case I8 -> new TinyIntVector(name, allocator);
      case U8, BOOL -> new UInt1Vector(name, allocator);
    };
  }

  /** The tensor's memory as Arrow's: Arrow counts references, the tensor's arena frees. */
  private static ArrowBuf wrap(Tensor tensor, BufferAllocator allocator) {
    long bytes = tensor.size() * tensor.type().bytes();
    return allocator.wrapForeignAllocation(
        new ForeignAllocation(bytes, tensor.data().address()) {
          @Override
          protected void release0() {
            // The memory belongs to the tensor's arena.
          }
        });
  }
}
