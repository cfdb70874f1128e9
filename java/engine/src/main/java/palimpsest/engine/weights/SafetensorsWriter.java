package palimpsest.engine.weights;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/**
 * Writes safetensors files, whole or not at all. Equal input gives equal bytes: wider types first
 * (so that every tensor is aligned), then the caller's order; metadata by key; the header padded
 * with spaces to a multiple of 8, as the reference implementation does.
 */
public final class SafetensorsWriter {
  private static final long CHUNK = 1 << 26;

  private SafetensorsWriter() {}

  /** Takes the numbers of one tensor, piece by piece, row after row, in memory off the heap. */
  @FunctionalInterface
  public interface Sink {
    void write(MemorySegment piece) throws IOException;
  }

  /** Gives the numbers of one tensor to a sink. */
  @FunctionalInterface
  public interface Body {
    void writeTo(Sink sink) throws IOException;
  }

  /** A tensor to be written whose numbers may be made on the way. */
  public record Item(String name, DType type, long[] shape, Body body) {
    long bytes() {
      long bytes = type.bytes();
      for (long dimension : shape) {
        bytes = Math.multiplyExact(bytes, dimension);
      }
      return bytes;
    }
  }

  /**
   * Writes tensors to a file, replacing one of that name.
   *
   * @param tensors name to tensor, contiguous or not
   * @param metadata free-form notes
   * @throws ModelFileException if it cannot be written
   */
  public static void write(
      Path path, SequencedMap<String, Tensor> tensors, Map<String, String> metadata) {
    List<Item> items = new ArrayList<>();
    tensors.forEach((name, tensor) -> items.add(item(name, tensor)));
    write(path, items, metadata);
  }

  /** Writes tensors that are made while they are written: never more than a piece in memory. */
  public static void write(Path path, List<Item> items, Map<String, String> metadata) {
    List<Item> ordered = new ArrayList<>(items);
    ordered.sort(Comparator.comparingInt((Item item) -> item.type.bytes()).reversed());
    byte[] header = header(ordered, metadata);
    AtomicFiles.file(
        path,
        channel -> {
          ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
          put(channel, length.putLong(0, header.length));
          put(channel, ByteBuffer.wrap(header));
          for (Item item : ordered) {
            writeBody(channel, item);
          }
        });
  }

  private static void writeBody(FileChannel channel, Item item) throws IOException {
    long start = channel.position();
    item.body.writeTo(piece -> put(channel, piece));
    if (channel.position() - start != item.bytes()) {
      throw new IllegalStateException(
          item.name + ": " + (channel.position() - start) + " of " + item.bytes() + " bytes came");
    }
  }

  private static Item item(String name, Tensor tensor) {
    return new Item(
        name,
        tensor.type(),
        tensor.shape(),
        sink -> {
          int width = tensor.type().bytes();
          if (tensor.isContiguous()) {
            sink.write(tensor.data().asSlice(0, tensor.size() * width));
            return;
          }
          for (long row = 0; row < tensor.rows(); row++) {
            sink.write(tensor.data().asSlice(row * tensor.stride() * width, tensor.cols() * width));
          }
        });
  }

  private static byte[] header(List<Item> items, Map<String, String> metadata) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(bytes, JsonEncoding.UTF8)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart("__metadata__");
        for (Map.Entry<String, String> note : new TreeMap<>(metadata).entrySet()) {
          json.writeStringField(note.getKey(), note.getValue());
        }
        json.writeEndObject();
      }
      long offset = 0;
      for (Item item : items) {
        json.writeObjectFieldStart(item.name);
        json.writeStringField("dtype", item.type.name());
        json.writeFieldName("shape");
        json.writeArray(item.shape, 0, item.shape.length);
        json.writeFieldName("data_offsets");
        json.writeArray(new long[] {offset, offset += item.bytes()}, 0, 2);
        json.writeEndObject();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new ModelFileException("cannot write a safetensors header", e);
    }
    byte[] padded = Arrays.copyOf(bytes.toByteArray(), (bytes.size() + 7) / 8 * 8);
    Arrays.fill(padded, bytes.size(), padded.length, (byte) ' ');
    return padded;
  }

  private static void put(FileChannel channel, MemorySegment piece) throws IOException {
    for (long at = 0; at < piece.byteSize(); at += CHUNK) {
      long length = Math.min(CHUNK, piece.byteSize() - at);
      put(channel, piece.asSlice(at, length).asByteBuffer());
    }
  }

  private static void put(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }
}
