package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class GgufTest {
  private static final int TENSOR_COUNT_AT = 8;
  private static final int SETTING_COUNT_AT = 16;

  @TempDir Path folder;

  private static Path resource(String name) {
    try {
      return Path.of(GgufTest.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static GgufBuilder small() {
    return new GgufBuilder()
        .set("general.architecture", "llama")
        .set("a.number", 7)
        .set("a.list", new int[] {1, 2})
        .set("a.texts", new String[] {"x", "yz"})
        .set("a.flag", true)
        .tensor("t", new float[] {1, 2, 3, 4, 5, 6}, 2, 3)
        .tensor("u", new float[] {-1}, 1);
  }

  private String refusal(byte[] bytes) throws IOException {
    Path path = folder.resolve("x.gguf");
    Files.write(path, bytes);
    String message =
        assertThrows(ModelFileException.class, () -> Gguf.open(path).close()).getMessage();
    assertFalse(message.contains("\n"), message);
    assertTrue(message.contains("x.gguf"), message);
    return message;
  }

  private static byte[] patched(byte[] bytes, int at, long value) {
    byte[] copy = bytes.clone();
    ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN).putLong(at, value);
    return copy;
  }

  /** Bit for bit the values of the Python package gguf. */
  @ParameterizedTest
  @EnumSource(GgmlType.class)
  void everyFormatHasTheExactValues(GgmlType type) {
    try (Gguf gguf = Gguf.open(resource("formats.gguf"));
        Safetensors expected = Safetensors.open(resource("formats.safetensors"));
        TensorArena arena = new TensorArena()) {
      assertEquals(type.name(), gguf.type(type.name()));
      Tensor oracle = expected.tensor(type.name());
      Tensor whole = gguf.dequantise(type.name(), arena);
      assertArrayEquals(oracle.shape(), gguf.shape(type.name()));
      float[] row = new float[(int) oracle.cols()];
      for (long i = 0; i < oracle.rows(); i++) {
        gguf.row(type.name(), i, row);
        for (int j = 0; j < row.length; j++) {
          int bits = Float.floatToRawIntBits((float) oracle.get(i, j));
          assertEquals(bits, Float.floatToRawIntBits(row[j]), type + " row " + i + " at " + j);
          assertEquals(bits, Float.floatToRawIntBits((float) whole.get(i, j)));
        }
      }
    }
  }

  @Test
  void readsSettings() {
    try (Gguf gguf = Gguf.open(resource("formats.gguf"))) {
      assertEquals(7, gguf.integer("test.integer"));
      assertEquals(1e-5, gguf.real("test.real"));
      assertTrue(gguf.flag("test.flag"));
      assertEquals(List.of("a", "Ġb", "日本"), gguf.strings("test.strings"));
      assertArrayEquals(new long[] {3, -1, 4}, gguf.integers("test.integers"));
      assertArrayEquals(new float[] {0.5f, -1.25f}, gguf.reals("test.reals"));
      assertEquals("llama", gguf.string("general.architecture"));
      assertTrue(
          assertThrows(ModelFileException.class, () -> gguf.integer("test.flag"))
              .getMessage()
              .contains("'test.flag' is not an integer"));
      assertTrue(
          assertThrows(ModelFileException.class, () -> gguf.string("gone"))
              .getMessage()
              .contains("no setting 'gone'"));
    }
  }

  @Test
  void readsVersionsTwoAndThreeOnly() throws IOException {
    Path path = folder.resolve("two.gguf");
    Files.write(path, small().version(2).bytes());
    try (Gguf gguf = Gguf.open(path)) {
      float[] row = new float[3];
      gguf.row("t", 1, row);
      assertArrayEquals(new float[] {4, 5, 6}, row);
      assertThrows(IndexOutOfBoundsException.class, () -> gguf.row("t", 2, row));
    }
    assertTrue(refusal(small().version(1).bytes()).contains("version 1 is not supported"));
    assertTrue(refusal(small().version(3 << 24).bytes()).contains("little-endian"));
    assertTrue(refusal(new byte[30]).contains("not a GGUF file"));
    assertTrue(refusal(new byte[3]).contains("not a GGUF file"));
  }

  @Test
  void refusesWrongCounts() throws IOException {
    byte[] good = small().bytes();
    for (long count : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 100_001, 1 << 20}) {
      assertTrue(refusal(patched(good, TENSOR_COUNT_AT, count)).contains("tensors"));
    }
    for (long count : new long[] {-1, 65_537, 1L << 33}) {
      assertTrue(refusal(patched(good, SETTING_COUNT_AT, count)).contains("settings"));
    }
    refusal(patched(good, TENSOR_COUNT_AT, 3));
    refusal(patched(good, SETTING_COUNT_AT, 4));
    refusal(patched(good, SETTING_COUNT_AT, 6));
  }

  @Test
  void refusesLengthsBeyondTheFile() throws IOException {
    byte[] good = small().bytes();
    assertTrue(refusal(patched(good, 24, 1L << 40)).contains("setting's name"));
    assertTrue(refusal(patched(good, 24, -5)).contains("setting's name"));
    assertTrue(refusal(patched(good, 24, 513)).contains("setting's name"));
  }

  @Test
  void refusesTensorsThatDoNotFit() throws IOException {
    String message =
        refusal(new GgufBuilder().tensor("huge", new float[2], 1L << 40, 1L << 20).bytes());
    assertTrue(message.contains("larger than the file"), message);
    message = refusal(new GgufBuilder().tensor("over", new float[2], 1L << 32, 1L << 32).bytes());
    assertTrue(message.contains("impossible shape"), message);
    message = refusal(new GgufBuilder().tensor("zero", new float[2], 0, 3).bytes());
    assertTrue(message.contains("impossible shape"), message);
    message = refusal(new GgufBuilder().tensor("deep", new float[1], 1, 1, 1, 1, 1).bytes());
    assertTrue(message.contains("rank"), message);
    message =
        refusal(
            new GgufBuilder().tensor("a", new float[1], 1).tensor("a", new float[1], 1).bytes());
    assertTrue(message.contains("appears twice"), message);
    byte[] cut = new GgufBuilder().tensor("a", new float[64], 64).bytes();
    message = refusal(Arrays.copyOf(cut, cut.length - 32));
    assertTrue(message.contains("not inside the file"), message);
  }

  @Test
  void refusesOverlapAndAlignment() throws IOException {
    byte[] bytes =
        new GgufBuilder().tensor("a", new float[16], 16).tensor("b", new float[8], 8).bytes();
    int second = indexOf(bytes, (byte) 'b') + 1 + 4 + 8 + 4;
    assertTrue(refusal(patched(bytes, second, 32)).contains("overlap"));
    assertTrue(refusal(patched(bytes, second, 40)).contains("not aligned"));
    assertTrue(refusal(patched(bytes, second, -32)).contains("not aligned"));
    for (int alignment : new int[] {0, 1, 24, 1 << 20}) {
      assertTrue(
          refusal(new GgufBuilder().set("general.alignment", alignment).bytes())
              .contains("power of two"));
    }
  }

  private static int indexOf(byte[] bytes, byte value) {
    int at = 24;
    while (bytes[at] != value) {
      at++;
    }
    return at;
  }

  @Test
  void refusesFormatsItCannotRead() throws IOException {
    byte[] bytes = new GgufBuilder().tensor("b", new float[8], 8).bytes();
    int type = indexOf(bytes, (byte) 'b') + 1 + 4 + 8;
    byte[] unknown = bytes.clone();
    unknown[type] = 16;
    assertTrue(refusal(unknown).contains("number format 16"));
    byte[] partial = bytes.clone();
    partial[type] = 8;
    assertTrue(refusal(partial).contains("not whole blocks of 32"));
  }

  /** Seeded damage: the file is either still valid, or refused with this module's exception. */
  @Test
  void damagedFilesNeverFailOtherwise() throws IOException {
    byte[] good = small().bytes();
    Random random = new Random(11);
    Path path = folder.resolve("fuzz.gguf");
    int opened = 0;
    for (int round = 0; round < 600; round++) {
      Files.write(path, Damage.apply(good, good.length - 64, random));
      try (Gguf gguf = Gguf.open(path);
          TensorArena arena = new TensorArena()) {
        gguf.names().forEach(name -> gguf.dequantise(name, arena));
        opened++;
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"));
      }
    }
    assertTrue(opened > 0 && opened < 300, opened + " opened");
  }
}
