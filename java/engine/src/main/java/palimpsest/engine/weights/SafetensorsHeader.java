package palimpsest.engine.weights;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file, checked as the reference implementation does (offsets start at
 * 0, leave no gap, do not overlap, cover the data, and agree with shape times type) and within
 * tighter limits.
 *
 * @param entries by name, in the order of the data
 */
record SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
  static final int MAX_BYTES = 16 << 20;
  private static final int MAX_DEPTH = 8;
  private static final int MAX_TENSORS = 100_000;
  private static final int MAX_RANK = 8;
  private static final int MAX_NAME = 512;

  /** One tensor: {@code offset} counts from the end of the header. */
  record Entry(String name, String type, long[] shape, long offset, long bytes) {}

  /**
   * @param json the header's text
   * @param dataBytes bytes of the file after the header
   */
  static SafetensorsHeader parse(String json, long dataBytes, Path file) {
    try (JsonParser parser =
        BoundedJson.factory(MAX_DEPTH, MAX_NAME, MAX_BYTES).createParser(json)) {
      SafetensorsHeader header = new Reader(parser, file).header();
      return header.ordered(dataBytes, file);
    } catch (JsonProcessingException e) {
      throw new ModelFileException(
          file + ": the header is not valid JSON" + BoundedJson.position(e), e);
    } catch (IOException e) {
      throw new ModelFileException(file + ": the header cannot be read", e);
    }
  }

  private SafetensorsHeader ordered(long dataBytes, Path file) {
    List<Entry> sorted = new ArrayList<>(entries.values());
    sorted.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::bytes));
    Map<String, Entry> inOrder = new LinkedHashMap<>();
    long end = 0;
    for (Entry entry : sorted) {
      if (entry.offset != end) {
        throw new ModelFileException(
            file + ": tensor " + quote(entry.name) + " overlaps another or leaves a gap");
      }
      end = Math.addExact(end, entry.bytes);
      if (end > dataBytes) {
        throw new ModelFileException(
            file + ": tensor " + quote(entry.name) + " runs past the end of the file");
      }
      inOrder.put(entry.name, entry);
    }
    if (end != dataBytes) {
      throw new ModelFileException(
          file + ": the tensors cover " + end + " of " + dataBytes + " bytes of data");
    }
    return new SafetensorsHeader(inOrder, metadata);
  }

  /** Bytes of one element, or 0 for a type that the format does not have. */
  static int elementBytes(String type) {
    return switch (type) {
      case "F64", "I64", "U64" -> 8;
      case "F32", "I32", "U32" -> 4;
      case "F16", "BF16", "I16", "U16" -> 2;
      case "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2" -> 1;
      default -> 0;
    };
  }

  /** Reads the header token by token, so that nothing unexpected is ever built in memory. */
  private record Reader(JsonParser parser, Path file) {
    SafetensorsHeader header() throws IOException {
      Map<String, Entry> entries = new LinkedHashMap<>();
      Map<String, String> metadata = Map.of();
      expect(parser.nextToken() == JsonToken.START_OBJECT, "the header is not a JSON object");
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        if (name.equals("__metadata__")) {
          metadata = metadata();
        } else {
          expect(entries.size() < MAX_TENSORS, "more than " + MAX_TENSORS + " tensors");
          entries.put(name, entry(name));
        }
      }
      expect(parser.nextToken() == null, "text after the header's JSON object");
      return new SafetensorsHeader(entries, metadata);
    }

    private Map<String, String> metadata() throws IOException {
      Map<String, String> result = new LinkedHashMap<>();
      expect(parser.nextToken() == JsonToken.START_OBJECT, "__metadata__ is not an object");
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String key = parser.currentName();
        expect(parser.nextToken() == JsonToken.VALUE_STRING, "__metadata__ holds a non-string");
        result.put(key, parser.getText());
      }
      return Map.copyOf(result);
    }

    private Entry entry(String name) throws IOException {
      expect(!name.isEmpty(), "a tensor without a name");
      String what = "tensor " + quote(name);
      String type = null;
      long[] shape = null;
      long[] offsets = null;
      expect(parser.nextToken() == JsonToken.START_OBJECT, what + " is not an object");
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        switch (parser.currentName()) {
          case "dtype" -> {
            expect(parser.nextToken() == JsonToken.VALUE_STRING, what + ": dtype is no string");
            type = parser.getText();
          }
          case "shape" -> shape = numbers(MAX_RANK, what + ": shape");
          case "data_offsets" -> offsets = numbers(2, what + ": data_offsets");
          default ->
              throw new ModelFileException(
                  file + ": " + what + ": unknown field " + quote(parser.currentName()));
        }
      }
      expect(
          type != null && shape != null && offsets != null,
          what + " lacks dtype, shape or data_offsets");
      return checked(what, name, type, shape, offsets);
    }

    private Entry checked(String what, String name, String type, long[] shape, long[] offsets) {
      int width = elementBytes(type);
      expect(width > 0, what + ": unknown dtype " + quote(type));
      expect(offsets.length == 2 && offsets[0] <= offsets[1], what + ": bad data_offsets");
      long bytes = width;
      try {
        for (long dimension : shape) {
          bytes = Math.multiplyExact(bytes, dimension);
        }
      } catch (ArithmeticException e) {
        throw new ModelFileException(file + ": " + what + ": the shape's product overflows", e);
      }
      expect(
          bytes == offsets[1] - offsets[0],
          what + ": shape and dtype need " + bytes + " bytes, data_offsets give another number");
      return new Entry(name, type, shape, offsets[0], bytes);
    }

    private long[] numbers(int max, String what) throws IOException {
      expect(parser.nextToken() == JsonToken.START_ARRAY, what + " is not an array");
      long[] found = new long[max];
      int count = 0;
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        expect(count < max, what + " has more than " + max + " numbers");
        expect(
            parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER
                && parser.getLongValue() >= 0,
            what + " holds something else than a number of 0 to 2^63 - 1");
        found[count++] = parser.getLongValue();
      }
      return Arrays.copyOf(found, count);
    }

    private void expect(boolean condition, String problem) {
      if (!condition) {
        throw new ModelFileException(file + ": " + problem);
      }
    }
  }
}
