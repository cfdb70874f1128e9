package palimpsest.synth;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVPrinter;
import palimpsest.synth.text.Labels;

/** Writes synthetic records: columns label and text. */
final class RecordWriter {
  private static final ObjectMapper JSON = new ObjectMapper();

  private RecordWriter() {}

  /** The file's bytes. */
  static byte[] bytes(List<SyntheticRecord> records, Labels labels, boolean csv) {
    StringWriter out = new StringWriter();
    try {
      if (csv) {
        writeCsv(out, records, labels);
      } else {
        for (SyntheticRecord record : records) {
          Map<String, String> fields = new LinkedHashMap<>();
          fields.put(Synthesis.LABEL_COLUMN, labels.name(record.label()));
          fields.put(Synthesis.TEXT_COLUMN, record.text());
          out.write(JSON.writeValueAsString(fields));
          out.write('\n');
        }
      }
    } catch (IOException e) {
      throw new AssertionError("a string can be written to", e);
    }
    return out.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void writeCsv(StringWriter out, List<SyntheticRecord> records, Labels labels)
      throws IOException {
    try (CSVPrinter printer = new CSVPrinter(out, CSVFormat.RFC4180)) {
      printer.printRecord(Synthesis.LABEL_COLUMN, Synthesis.TEXT_COLUMN);
      for (SyntheticRecord record : records) {
        printer.printRecord(labels.name(record.label()), record.text());
      }
    }
  }
}
