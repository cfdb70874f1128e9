package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.UInt2Vector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class ArrowViewTest {
  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(DType.class)
  void everyTypeIsTheSameMemory(DType type) {
    try (TensorArena arena = new TensorArena();
        BufferAllocator allocator = new RootAllocator()) {
      Tensor tensor = arena.allocate(type, 100, 7);
      for (long i = 0; i < 700; i++) {
        tensor.set(i, i % 2);
      }
      try (BaseFixedWidthVector vector = ArrowView.of(tensor, "t", allocator)) {
        assertEquals(700, vector.getValueCount());
        assertEquals(0, vector.getNullCount());
        assertEquals(tensor.data().address(), vector.getDataBuffer().memoryAddress());
        assertTrue(allocator.getAllocatedMemory() <= 700L * type.bytes() + 1024, "a bitmap only");
        String one = type == DType.BF16 ? Integer.toString(0x3f80) : "1";
        Object read = vector.getObject(699);
        String text = read instanceof Character c ? Integer.toString(c) : read.toString();
        String shown = type == DType.F16 ? tensor.get(699) + "" : text.replace(".0", "");
        assertEquals(type == DType.F16 ? "1.0" : one, shown);
      }
      assertEquals(0, allocator.getAllocatedMemory());
    }
  }

  @Test
  void mappedFileIsReadInPlace() {
    Path path = folder.resolve("m.safetensors");
    try (TensorArena arena = new TensorArena()) {
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("w", arena.allocate(DType.F32, 1000, 1000).fill(0.5));
      tensors.put("h", arena.allocate(DType.BF16, 8).fill(-2));
      Safetensors.write(path, tensors, Map.of());
    }
    try (Safetensors file = Safetensors.open(path);
        BufferAllocator allocator = new RootAllocator();
        Float4Vector vector = (Float4Vector) ArrowView.of(file.tensor("w"), "w", allocator);
        UInt2Vector bits = (UInt2Vector) ArrowView.of(file.tensor("h"), "h", allocator)) {
      long address = file.tensor("w").data().address();
      assertEquals(address, vector.getDataBuffer().memoryAddress());
      assertEquals(0.5f, vector.get(999_999));
      assertEquals(-2f, DType.fromBf16((short) bits.get(7)));
    }
  }

  @Test
  void refusesViewsWithGaps() {
    try (TensorArena arena = new TensorArena();
        BufferAllocator allocator = new RootAllocator()) {
      Tensor columns = arena.allocate(DType.F32, 4, 4).columns(0, 2);
      assertThrows(
          IllegalArgumentException.class, () -> ArrowView.of(columns, "c", allocator).close());
    }
  }
}
