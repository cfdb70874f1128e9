package palimpsest.engine.weights;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The head of a GGUF file (docs/gguf.md of ggml), read with every length checked against what is
 * left of the file and against fixed limits.
 *
 * @param settings values as Long (all integer types), Float, Double, Boolean, String, long[],
 *     float[], boolean[] or String[]
 * @param tensors by name, in the file's order; offsets count from the start of the file
 */
record GgufHeader(Map<String, Object> settings, Map<String, Entry> tensors) {
  private static final int MAGIC = 0x46554747;
  private static final int MAX_SETTINGS = 65_536;
  private static final int MAX_TENSORS = 100_000;
  private static final int MAX_RANK = 4;
  private static final int MAX_NAME = 512;
  private static final int MAX_STRING = 1 << 20;
  private static final int MAX_ELEMENTS = 1 << 22;
  private static final long MAX_ALIGNMENT = 1 << 16;

  /** One tensor: shape slowest dimension first, place in the file. */
  record Entry(String name, GgmlType type, long[] shape, long offset, long bytes) {
    long cols() {
      return shape[shape.length - 1];
    }

    long rows() {
      long rows = 1;
      for (int i = 0; i < shape.length - 1; i++) {
        rows *= shape[i];
      }
      return rows;
    }
  }

  static GgufHeader read(MappedFile file) {
    return new Reader(file).read();
  }

  /** A cursor over the file that never leaves it. */
  private static final class Reader {
    private final MappedFile file;
    private final MemorySegment bytes;
    private long at;
    private long elements;

    Reader(MappedFile file) {
      this.file = file;
      this.bytes = file.segment();
    }

    GgufHeader read() {
      if (bytes.byteSize() < 24 || int32() != MAGIC) {
        throw file.refuse("not a GGUF file");
      }
      int version = int32();
      if (version != 2 && version != 3) {
        throw file.refuse(
            "GGUF version "
                + Integer.toUnsignedString(version)
                + " is not supported; versions 2 and 3, little-endian, are");
      }
      long tensors = count(MAX_TENSORS, "tensors");
      long settings = count(MAX_SETTINGS, "settings");
      Map<String, Object> values = new LinkedHashMap<>();
      for (long i = 0; i < settings; i++) {
        String key = string(MAX_NAME, "a setting's name");
        if (values.put(key, value(int32(), key)) != null) {
          throw file.refuse("setting " + quote(key) + " appears twice");
        }
      }
      return new GgufHeader(values, tensors(tensors, alignment(values)));
    }

    private long alignment(Map<String, Object> settings) {
      Object value = settings.getOrDefault("general.alignment", 32L);
      if (value instanceof Long alignment
          && alignment >= 8
          && alignment <= MAX_ALIGNMENT
          && Long.bitCount(alignment) == 1) {
        return alignment;
      }
      throw file.refuse("general.alignment is not a power of two of 8 to " + MAX_ALIGNMENT);
    }

    private Map<String, Entry> tensors(long count, long alignment) {
      List<Entry> found = new ArrayList<>();
      for (long i = 0; i < count; i++) {
        found.add(tensor());
      }
      long base = Math.ceilDiv(at, alignment) * alignment;
      Map<String, Entry> placed = new LinkedHashMap<>();
      for (Entry entry : found) {
        if (placed.put(entry.name, placed(entry, base, alignment)) != null) {
          throw file.refuse("tensor " + quote(entry.name) + " appears twice");
        }
      }
      refuseOverlap(new ArrayList<>(placed.values()));
      return placed;
    }

    private Entry tensor() {
      String name = string(MAX_NAME, "a tensor's name");
      int rank = int32();
      if (rank < 1 || rank > MAX_RANK) {
        throw file.refuse("tensor " + quote(name) + " is not of rank 1 to " + MAX_RANK);
      }
      long[] shape = new long[rank];
      long size = 1;
      for (int i = rank - 1; i >= 0; i--) {
        shape[i] = int64();
        if (shape[i] < 1 || shape[i] > Long.MAX_VALUE / size) {
          throw file.refuse("tensor " + quote(name) + " has an impossible shape");
        }
        size *= shape[i];
      }
      int id = int32();
      GgmlType type = GgmlType.of(id);
      if (type == null) {
        throw file.refuse(
            "tensor "
                + quote(name)
                + " has number format "
                + Integer.toUnsignedString(id)
                + ", which is not supported; supported are "
                + GgmlType.supported());
      }
      if (shape[rank - 1] % type.blockSize() != 0) {
        throw file.refuse(
            "tensor "
                + quote(name)
                + ": rows of "
                + shape[rank - 1]
                + " are not whole blocks of "
                + type.blockSize());
      }
      long blocks = size / type.blockSize();
      if (blocks > bytes.byteSize() / type.blockBytes()) {
        throw file.refuse("tensor " + quote(name) + " is larger than the file");
      }
      return new Entry(name, type, shape, int64(), blocks * type.blockBytes());
    }

    private Entry placed(Entry entry, long base, long alignment) {
      long room = bytes.byteSize() - base - entry.bytes;
      if (entry.offset < 0 || entry.offset > room || entry.offset % alignment != 0) {
        throw file.refuse("tensor " + quote(entry.name) + " is not aligned or not inside the file");
      }
      return new Entry(entry.name, entry.type, entry.shape, base + entry.offset, entry.bytes);
    }

    private void refuseOverlap(List<Entry> entries) {
      entries.sort(Comparator.comparingLong(Entry::offset));
      for (int i = 1; i < entries.size(); i++) {
        Entry before = entries.get(i - 1);
        if (before.offset + before.bytes > entries.get(i).offset) {
          throw file.refuse(
              "tensors " + quote(before.name) + " and " + quote(entries.get(i).name) + " overlap");
        }
      }
    }

    private Object value(int type, String key) {
      return switch (type) {
        case 0 -> (long) (int8() & 0xff);
        case 1 -> (long) int8();
        case 2 -> (long) (int16() & 0xffff);
        case 3 -> (long) int16();
        case 4 -> int32() & 0xffffffffL;
        case 5 -> (long) int32();
        case 6 -> Float.intBitsToFloat(int32());
        case 7 -> bool(key);
        case 8 -> string(MAX_STRING, "setting " + quote(key));
        case 9 -> array(key);
        case 10, 11 -> int64();
        case 12 -> Double.longBitsToDouble(int64());
        default -> throw file.refuse("setting " + quote(key) + " is of an unknown type");
      };
    }

    private Object array(String key) {
      int type = int32();
      int count = (int) count(MAX_ELEMENTS, "elements of setting " + quote(key));
      elements += count;
      if (elements > MAX_ELEMENTS || type == 9) {
        throw file.refuse("setting " + quote(key) + " is too large or nested");
      }
      return switch (type) {
        case 0, 1, 2, 3, 4, 5, 10, 11 -> {
          long[] result = new long[count];
          for (int i = 0; i < count; i++) {
            result[i] = (Long) value(type, key);
          }
          yield result;
        }
        case 6 -> {
          float[] result = new float[count];
          for (int i = 0; i < count; i++) {
            result[i] = Float.intBitsToFloat(int32());
          }
          yield result;
        }
        case 7 -> {
          boolean[] result = new boolean[count];
          for (int i = 0; i < count; i++) {
            result[i] = bool(key);
          }
          yield result;
        }
        case 8 -> {
          String[] result = new String[count];
          for (int i = 0; i < count; i++) {
            result[i] = string(MAX_STRING, "setting " + quote(key));
          }
          yield result;
        }
        default -> throw file.refuse("setting " + quote(key) + " is a list of an unknown type");
      };
    }

    private boolean bool(String key) {
      byte value = int8();
      if (value != 0 && value != 1) {
        throw file.refuse("setting " + quote(key) + " is neither true nor false");
      }
      return value == 1;
    }

    /** A count of things that take at least one byte each. */
    private long count(long max, String what) {
      long count = int64();
      if (count < 0 || count > max || count > bytes.byteSize() - at) {
        throw file.refuse(
            Long.toUnsignedString(count)
                + " "
                + what
                + ": over the limit of "
                + max
                + " or more than the file holds");
      }
      return count;
    }

    private String string(int max, String what) {
      long length = count(max, "bytes of " + what);
      byte[] text = bytes.asSlice(advance(length), length).toArray(ValueLayout.JAVA_BYTE);
      return BoundedJson.decode(text, file.path());
    }

    private long advance(long length) {
      if (length > bytes.byteSize() - at) {
        throw file.refuse("the file ends inside its header");
      }
      long start = at;
      at += length;
      return start;
    }

    private byte int8() {
      return bytes.get(ValueLayout.JAVA_BYTE, advance(1));
    }

    private short int16() {
      return bytes.get(
          ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), advance(2));
    }

    private int int32() {
      return bytes.get(
          ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), advance(4));
    }

    private long int64() {
      return bytes.get(
          ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), advance(8));
    }
  }
}
