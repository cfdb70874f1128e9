package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.Shared;

class SafetensorsTest {
  @TempDir Path folder;

  private static byte[] file(String header, int dataBytes) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    return bytes.putLong(json.length).put(json).array();
  }

  private String refusal(byte[] bytes) throws IOException {
    Path path = folder.resolve("x.safetensors");
    Files.write(path, bytes);
    String message =
        assertThrows(ModelFileException.class, () -> Safetensors.open(path).close()).getMessage();
    assertFalse(message.contains("\n"), message);
    assertTrue(message.contains("x.safetensors"), message);
    return message;
  }

  private String refusal(String header, int dataBytes) throws IOException {
    return refusal(file(header, dataBytes));
  }

  private static String tensor(String dtype, String shape, long from, long to) {
    return "{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
        .formatted(dtype, shape, from, to);
  }

  @ParameterizedTest
  @CsvSource({
    "tensor-1d-int32, I32, 3",
    "tensor-2d-float64, F64, 6",
    "tensor-3d-float32, F32, 12",
    "tensor-4d-float32, F32, 18"
  })
  void readsPublishedUnitFiles(String name, DType type, long size) {
    Path path = Shared.file("data/weights/safetensors_unit/" + name + ".safetensors");
    try (Safetensors file = Safetensors.open(path)) {
      Tensor tensor = file.tensor("embedding");
      assertEquals(type, tensor.type());
      assertEquals(size, tensor.size());
    }
  }

  @Test
  void readsIntegersOfPublishedFile() {
    Path path = Shared.file("data/weights/safetensors_unit/tensor-1d-int32.safetensors");
    try (Safetensors file = Safetensors.open(path)) {
      Tensor tensor = file.tensor("embedding");
      assertArrayEquals(new long[] {3}, tensor.shape());
      assertEquals(
          List.of(1L, 2L, 3L), List.of(tensor.getLong(0), tensor.getLong(1), tensor.getLong(2)));
    }
  }

  /** Three roundings of the same embedding: the readers of all three types must agree. */
  @Test
  void halfAndByteEmbeddingsFollowTheFloatOnes() {
    String root = "data/weights/model2vec_fixtures/";
    try (Safetensors full = Safetensors.open(Shared.file(root + "float32/model.safetensors"));
        Safetensors half = Safetensors.open(Shared.file(root + "float16/model.safetensors"));
        Safetensors bytes = Safetensors.open(Shared.file(root + "int8/model.safetensors"))) {
      Tensor exact = full.tensor("embeddings");
      Tensor rounded = half.tensor("embeddings");
      Tensor quantised = bytes.tensor("embeddings");
      double scale = 0;
      for (long i = 0; i < exact.size(); i++) {
        scale = Math.max(scale, Math.abs(exact.get(i)) / 127);
      }
      for (long i = 0; i < exact.size(); i++) {
        assertEquals(exact.get(i), rounded.get(i), Math.abs(exact.get(i)) / 2048 + 1e-7);
        assertEquals(exact.get(i), quantised.get(i) * scale, scale * 1.01);
      }
    }
  }

  /** The reference implementation wrote these files: reading and writing gives its bytes. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "data/weights/capp_gpt2/model.safetensors",
        "data/oracles/stories260K_clipped_sum.safetensors",
        "data/oracles/capp_gpt2_clipped_sum.safetensors",
        "data/weights/retsim/model.safetensors"
      })
  void writesTheBytesOfTheReferenceImplementation(String name) throws IOException {
    Path original = Shared.file(name);
    Path copy = folder.resolve("copy.safetensors");
    try (Safetensors file = Safetensors.open(original)) {
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      file.names().forEach(tensor -> tensors.put(tensor, file.tensor(tensor)));
      Safetensors.write(copy, tensors, file.metadata());
    }
    assertEquals(-1, Files.mismatch(original, copy));
  }

  @Test
  void keepsEveryTypeShapeAndNote() {
    Path path = folder.resolve("all.safetensors");
    try (TensorArena arena = new TensorArena()) {
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      for (DType type : DType.values()) {
        Tensor tensor = arena.allocate(type, 3, 5);
        for (long i = 0; i < 15; i++) {
          tensor.set(i, type == DType.BOOL ? i % 2 : i - (type == DType.U8 ? 0 : 7));
        }
        tensors.put("t." + type + " é\"", tensor.columns(1, 3));
      }
      tensors.put("scalar", arena.allocate(DType.F32).fill(2.5));
      tensors.put("none", arena.allocate(DType.F32, 0, 4));
      Safetensors.write(path, tensors, Map.of("b", "2", "a", "1\n"));
      try (Safetensors file = Safetensors.open(path)) {
        assertEquals(tensors.keySet(), file.names());
        assertEquals(Map.of("a", "1\n", "b", "2"), file.metadata());
        tensors.forEach((name, tensor) -> assertSame(tensor, file.tensor(name)));
      }
    }
  }

  private static void assertSame(Tensor expected, Tensor actual) {
    assertEquals(expected.type(), actual.type());
    assertArrayEquals(expected.shape(), actual.shape());
    for (long i = 0; i < expected.size(); i++) {
      assertEquals(expected.get(i), actual.get(i));
    }
  }

  @Test
  void closedFileCannotBeRead() throws IOException {
    Path path = folder.resolve("a.safetensors");
    Files.write(path, file("{\"a\":" + tensor("F32", "[1]", 0, 4) + "}", 4));
    Safetensors file = Safetensors.open(path);
    Tensor tensor = file.tensor("a");
    assertThrows(RuntimeException.class, () -> tensor.set(0, 1), "mapped read-only");
    file.close();
    assertThrows(IllegalStateException.class, () -> tensor.get(0));
  }

  @Test
  void failedWriteLeavesTheOldFileAndNoOther() throws IOException {
    Path path = folder.resolve("a.safetensors");
    Files.writeString(path, "old");
    SafetensorsWriter.Item item =
        new SafetensorsWriter.Item(
            "a",
            DType.F32,
            new long[] {4},
            sink -> {
              throw new IOException("disk full");
            });
    String message =
        assertThrows(
                ModelFileException.class,
                () -> SafetensorsWriter.write(path, List.of(item), Map.of()))
            .getMessage();
    assertTrue(message.contains("disk full"), message);
    assertEquals("old", Files.readString(path));
    try (var files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void refusesWrongLengths() throws IOException {
    assertTrue(refusal(new byte[7]).contains("too short"));
    byte[] good = file("{\"a\":" + tensor("F32", "[1]", 0, 4) + "}", 4);
    for (long length : new long[] {-1, 0, 1, good.length - 7, 1L << 40, Long.MIN_VALUE}) {
      byte[] bytes = good.clone();
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
      assertTrue(refusal(bytes).contains("header length"));
    }
    byte[] large = file("{" + " ".repeat(SafetensorsHeader.MAX_BYTES) + "}", 0);
    assertTrue(refusal(large).contains("header length"));
  }

  @Test
  void refusesWhatIsNoHeader() throws IOException {
    assertTrue(refusal(" {}", 0).contains("start with"));
    assertTrue(refusal("{}{}", 0).contains("after"));
    assertTrue(refusal("{\"a\":1}", 0).contains("not an object"));
    assertTrue(refusal("{\"a\":{}}", 0).contains("lacks"));
    assertTrue(refusal("{\"a\":" + "[".repeat(1000), 0).contains("not"));
    byte[] latin = file("{\"a\":1}", 0);
    latin[10] = (byte) 0xe9;
    assertTrue(refusal(latin).contains("UTF-8"));
    String twice = "{\"a\":%1$s,\"a\":%1$s}".formatted(tensor("F32", "[1]", 0, 4));
    assertTrue(refusal(twice, 4).contains("not valid JSON"));
  }

  @Test
  void refusesOffsetsThatDoNotTile() throws IOException {
    String four = tensor("F32", "[1]", 0, 4);
    assertTrue(refusal("{\"a\":" + four + "}", 8).contains("cover"));
    assertTrue(refusal("{\"a\":" + four + "}", 3).contains("past the end"));
    assertTrue(refusal("{\"a\":" + four + ",\"b\":" + four + "}", 4).contains("overlaps"));
    String gap = tensor("F32", "[1]", 8, 12);
    assertTrue(refusal("{\"a\":" + four + ",\"b\":" + gap + "}", 12).contains("gap"));
    assertTrue(refusal("{\"a\":" + tensor("F32", "[2]", 0, 4) + "}", 4).contains("need 8"));
    assertTrue(refusal("{\"a\":" + tensor("F32", "[1]", 4, 0) + "}", 4).contains("data_offsets"));
  }

  @Test
  void refusesImpossibleShapes() throws IOException {
    String huge = "[4294967296,4294967296]";
    assertTrue(refusal("{\"a\":" + tensor("F32", huge, 0, 4) + "}", 4).contains("overflows"));
    String wraps = "[9223372036854775807,9223372036854775807,0]";
    assertTrue(refusal("{\"a\":" + tensor("I8", wraps, 0, 0) + "}", 0).contains("overflows"));
    String beyond = "[18446744073709551616]";
    assertTrue(refusal("{\"a\":" + tensor("F32", beyond, 0, 4) + "}", 4).contains("2^63"));
    assertTrue(refusal("{\"a\":" + tensor("F32", "[-1]", 0, 4) + "}", 4).contains("2^63"));
    assertTrue(refusal("{\"a\":" + tensor("F32", "[1.0]", 0, 4) + "}", 4).contains("2^63"));
    String deep = "[1,1,1,1,1,1,1,1,1]";
    assertTrue(refusal("{\"a\":" + tensor("F32", deep, 0, 4) + "}", 4).contains("more than 8"));
    assertTrue(refusal("{\"a\":" + tensor("F31", "[1]", 0, 4) + "}", 4).contains("dtype"));
  }

  @Test
  void namesAreQuotedOnOneLine() throws IOException {
    String message = refusal("{\"a\\n\\u001b[31mb\":" + tensor("Q", "[1]", 0, 4) + "}", 4);
    assertTrue(message.contains("'a??[31mb'"), message);
  }

  @Test
  void unsupportedTypeIsRefusedOnUse() throws IOException {
    Path path = folder.resolve("u.safetensors");
    Files.write(path, file("{\"a\":" + tensor("U64", "[1]", 0, 8) + "}", 8));
    try (Safetensors file = Safetensors.open(path)) {
      assertTrue(
          assertThrows(ModelFileException.class, () -> file.tensor("a"))
              .getMessage()
              .contains("U64 is not supported"));
      assertThrows(ModelFileException.class, () -> file.tensor("b"));
    }
  }

  /** Seeded damage: the file is either still valid, or refused with this module's exception. */
  @Test
  void damagedFilesNeverFailOtherwise() throws IOException {
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\":%s,\"b\":%s}"
            .formatted(tensor("F32", "[2,3]", 0, 24), tensor("BF16", "[4]", 24, 32));
    byte[] good = file(header, 32);
    Random random = new Random(7);
    Path path = folder.resolve("fuzz.safetensors");
    int opened = 0;
    for (int round = 0; round < 600; round++) {
      Files.write(path, Damage.apply(good, 8 + header.length(), random));
      try (Safetensors file = Safetensors.open(path)) {
        file.names().forEach(name -> readAll(file, name));
        opened++;
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"));
      }
    }
    assertTrue(opened > 0 && opened < 300, opened + " opened");
  }

  private static void readAll(Safetensors file, String name) {
    Tensor tensor = file.tensor(name);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.get(i);
    }
  }
}
