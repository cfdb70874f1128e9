package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.tensor.Tensor;
import palimpsest.testing.Shared;

class Stories260KTest {
  private static final int HEADER = 28;
  private static final int EMBEDDING = 512 * 64;

  @TempDir Path temp;

  /** Places worked out by hand from the format's order of tensors. */
  @Test
  void everyTensorHasItsPlace() throws IOException {
    Path bin = Shared.file("data/weights/stories260K/stories260K.bin");
    Path folder = temp.resolve("stories");
    Stories260K.convert(bin, folder);
    ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(bin)).order(ByteOrder.LITTLE_ENDIAN);
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(260_032, model.config().parameterCount());
      int norms = 5 * 64;
      int query = EMBEDDING + norms;
      // Layer 1, row 9 of the file is head 1 (of 8 numbers), number 1: the second half's first.
      Tensor q = model.weight(Role.QUERY, 1);
      assertEquals(number(file, query + 64 * 64 + 9 * 64 + 5), q.get(8 + 4, 5));
      int value = query + 5 * 64 * 64 + 5 * 32 * 64;
      Tensor v = model.weight(Role.VALUE, 4);
      assertEquals(number(file, value + 4 * 32 * 64 + 9 * 64 + 5), v.get(9, 5));
      int gate = value + 5 * 32 * 64 + 5 * 64 * 64 + norms;
      assertEquals(number(file, gate + 3), model.weight(Role.GATE, 0).get(0, 3));
      int down = gate + 5 * 172 * 64;
      assertEquals(number(file, down + 172 + 3), model.weight(Role.DOWN, 0).get(1, 3));
      int up = down + 5 * 64 * 172;
      assertEquals(number(file, up + 64 + 3), model.weight(Role.UP, 0).get(1, 3));
      assertEquals(number(file, up + 5 * 172 * 64 + 63), model.weight(Role.FINAL_NORM, 0).get(63));
    }
  }

  private static double number(ByteBuffer file, int index) {
    return file.getFloat(HEADER + 4 * index);
  }
}
