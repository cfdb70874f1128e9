package palimpsest.synth.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import java.io.IOException;
import java.io.StringReader;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/**
 * The columns of one row, as UTF-8: a function of that row alone. Total: a row that cannot be read,
 * for whatever reason the parser has, has no columns.
 */
sealed interface Fields {
  /** The row's columns, or null if it is not a row of this format at all. */
  byte[][] of(byte[] row);

  /** RFC 4180 columns, lenient about what stands around quotes. */
  record Csv() implements Fields {
    private static final CSVFormat FORMAT =
        CSVFormat.DEFAULT
            .builder()
            .setTrailingData(true)
            .setLenientEof(true)
            .setIgnoreEmptyLines(false)
            .get();

    @Override
    public byte[][] of(byte[] row) {
      try (CSVParser parser =
          CSVParser.builder()
              .setReader(new StringReader(Utf8.decode(row)))
              .setFormat(FORMAT)
              .get()) {
        Iterator<CSVRecord> rows = parser.iterator();
        if (!rows.hasNext()) {
          return null;
        }
        CSVRecord columns = rows.next();
        byte[][] fields = new byte[columns.size()][];
        for (int i = 0; i < fields.length; i++) {
          fields[i] = Utf8.encode(columns.get(i));
        }
        return fields;
      } catch (IOException | RuntimeException unreadable) {
        return null;
      }
    }
  }

  /** Columns parted by one byte; the last takes the rest. */
  record Separated(byte separator, int columns) implements Fields {
    @Override
    public byte[][] of(byte[] row) {
      byte[][] fields = new byte[columns][];
      int count = 0;
      int start = 0;
      for (int i = 0; i < row.length && count < columns - 1; i++) {
        if (row[i] == separator) {
          fields[count++] = Arrays.copyOfRange(row, start, i);
          start = i + 1;
        }
      }
      fields[count++] = Arrays.copyOfRange(row, start, row.length);
      return Arrays.copyOf(fields, count);
    }
  }

  /**
   * Keys of a JSON object whose value is a string, a number or a boolean; others count as missing,
   * and of a doubled key the last value counts.
   */
  record Json(List<String> keys) implements Fields {
    /**
     * Keeps nothing between rows. A factory's usual table of the names it has seen refuses a row
     * when too many of them collide, so that one record would decide over others.
     */
    private static final JsonFactory FACTORY =
        JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            .recyclerPool(JsonRecyclerPools.nonRecyclingPool())
            .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64).build())
            .build();

    @Override
    public byte[][] of(byte[] row) {
      try (JsonParser parser = FACTORY.createParser(Utf8.decode(row))) {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
          return null;
        }
        byte[][] fields = new byte[keys.size()][];
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          int column = keys.indexOf(parser.currentName());
          JsonToken value = parser.nextToken();
          if (column >= 0) {
            boolean present = value.isScalarValue() && value != JsonToken.VALUE_NULL;
            fields[column] = present ? Utf8.encode(parser.getText()) : null;
          }
          parser.skipChildren();
        }
        boolean whole = parser.currentToken() == JsonToken.END_OBJECT && parser.nextToken() == null;
        return whole ? fields : null;
      } catch (IOException | RuntimeException notJson) {
        return null;
      }
    }
  }
}
