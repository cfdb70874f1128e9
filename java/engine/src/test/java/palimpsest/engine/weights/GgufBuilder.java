package palimpsest.engine.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes GGUF files for tests: settings and float32 tensors. */
public final class GgufBuilder {
  private record Entry(String name, long[] shape, float[] numbers) {}

  private final Map<String, Object> settings = new LinkedHashMap<>();
  private final List<Entry> tensors = new ArrayList<>();
  private int version = 3;

  public GgufBuilder version(int newVersion) {
    version = newVersion;
    return this;
  }

  /** Value: Integer, Float, Boolean, String, String[], int[] or float[]. */
  public GgufBuilder set(String key, Object value) {
    settings.put(key, value);
    return this;
  }

  public GgufBuilder remove(String key) {
    settings.remove(key);
    return this;
  }

  /** A tensor, slowest dimension first. */
  public GgufBuilder tensor(String name, float[] numbers, long... shape) {
    tensors.add(new Entry(name, shape, numbers));
    return this;
  }

  /** The bytes of the file, data padded to 32. */
  public byte[] bytes() {
    Out out = new Out();
    out.put(int32(0x46554747)).put(int32(version));
    out.put(int64(tensors.size())).put(int64(settings.size()));
    settings.forEach((key, value) -> out.put(string(key)).put(value(value)));
    long offset = 0;
    for (Entry entry : tensors) {
      out.put(string(entry.name)).put(int32(entry.shape.length));
      for (int i = entry.shape.length - 1; i >= 0; i--) {
        out.put(int64(entry.shape[i]));
      }
      out.put(int32(0)).put(int64(offset));
      offset += (entry.numbers.length * 4L + 31) / 32 * 32;
    }
    out.pad();
    for (Entry entry : tensors) {
      ByteBuffer data =
          ByteBuffer.allocate(entry.numbers.length * 4).order(ByteOrder.LITTLE_ENDIAN);
      data.asFloatBuffer().put(entry.numbers);
      out.put(data.array()).pad();
    }
    return out.bytes.toByteArray();
  }

  private static byte[] value(Object value) {
    Out out = new Out();
    switch (value) {
      case Integer number -> out.put(int32(4)).put(int32(number));
      case Float number -> out.put(int32(6)).put(int32(Float.floatToIntBits(number)));
      case Boolean flag -> out.put(int32(7)).put(new byte[] {(byte) (flag ? 1 : 0)});
      case String text -> out.put(int32(8)).put(string(text));
      case String[] texts -> {
        out.put(int32(9)).put(int32(8)).put(int64(texts.length));
        for (String text : texts) {
          out.put(string(text));
        }
      }
      case int[] numbers -> {
        out.put(int32(9)).put(int32(5)).put(int64(numbers.length));
        for (int number : numbers) {
          out.put(int32(number));
        }
      }
      case float[] numbers -> {
        out.put(int32(9)).put(int32(6)).put(int64(numbers.length));
        for (float number : numbers) {
          out.put(int32(Float.floatToIntBits(number)));
        }
      }
      default -> throw new IllegalArgumentException(value.toString());
    }
    return out.bytes.toByteArray();
  }

  private static byte[] string(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return new Out().put(int64(bytes.length)).put(bytes).bytes.toByteArray();
  }

  private static byte[] int32(int value) {
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
  }

  private static byte[] int64(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }

  private static final class Out {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Out put(byte[] more) {
      bytes.writeBytes(more);
      return this;
    }

    void pad() {
      while (bytes.size() % 32 != 0) {
        bytes.write(0);
      }
    }
  }
}
