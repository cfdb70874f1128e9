package palimpsest.engine.weights;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * A safetensors file, mapped read-only: 8 bytes of header length, a JSON header, the numbers,
 * little-endian.
 *
 * <p>The file is checked in full before {@link #open} returns (see {@link SafetensorsHeader}); no
 * number is read then. A program that lets others write to the file while it is mapped sees their
 * changes: kernels pack copies.
 */
public final class Safetensors implements TensorSource {
  static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final MappedFile file;
  private final SafetensorsHeader header;
  private final MemorySegment data;

  private Safetensors(MappedFile file, SafetensorsHeader header, MemorySegment data) {
    this.file = file;
    this.header = header;
    this.data = data;
  }

  /**
   * Maps a file.
   *
   * @throws ModelFileException if it is missing or breaks a rule of the format
   */
  public static Safetensors open(Path path) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new ModelFileException("safetensors files are little-endian; this machine is not");
    }
    MappedFile file = MappedFile.open(path);
    try {
      return parse(file);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static Safetensors parse(MappedFile file) {
    if (file.size() < 8) {
      throw file.refuse("too short for a safetensors file");
    }
    long length = file.segment().get(LONG, 0);
    if (length < 2 || length > Math.min(SafetensorsHeader.MAX_BYTES, file.size() - 8)) {
      throw file.refuse(
          "header length "
              + Long.toUnsignedString(length)
              + " is not between 2 and "
              + Math.min(SafetensorsHeader.MAX_BYTES, file.size() - 8));
    }
    byte[] json = file.segment().asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
    if (json[0] != '{') {
      throw file.refuse("the header does not start with '{'");
    }
    MemorySegment data = file.segment().asSlice(8 + length);
    String text = BoundedJson.decode(json, file.path());
    SafetensorsHeader header = SafetensorsHeader.parse(text, data.byteSize(), file.path());
    return new Safetensors(file, header, data);
  }

  /** See {@link SafetensorsWriter#write}. */
  public static void write(
      Path path, SequencedMap<String, Tensor> tensors, Map<String, String> metadata) {
    SafetensorsWriter.write(path, tensors, metadata);
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(header.entries().keySet());
  }

  @Override
  public long[] shape(String name) {
    return entry(name).shape().clone();
  }

  @Override
  public Tensor tensor(String name) {
    SafetensorsHeader.Entry entry = entry(name);
    MemorySegment numbers = data.asSlice(entry.offset(), entry.bytes());
    return Tensor.of(numbers, type(entry), entry.shape());
  }

  private DType type(SafetensorsHeader.Entry entry) {
    try {
      return DType.valueOf(entry.type());
    } catch (IllegalArgumentException e) {
      throw new ModelFileException(
          file.path()
              + ": tensor "
              + quote(entry.name())
              + ": dtype "
              + entry.type()
              + " is not supported",
          e);
    }
  }

  private SafetensorsHeader.Entry entry(String name) {
    SafetensorsHeader.Entry entry = header.entries().get(name);
    if (entry == null) {
      throw file.refuse("no tensor " + quote(name));
    }
    return entry;
  }

  @Override
  public Map<String, String> metadata() {
    return header.metadata();
  }

  @Override
  public void close() {
    file.close();
  }
}
