package palimpsest.synth.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultsFileTest {
  @TempDir private Path temp;

  @Test
  void rowsAreAppendedUnderOneHeader() throws IOException {
    Path file = temp.resolve("new").resolve("step.csv");
    Measurement first =
        Measurement.of(
                "a, with \"comma\"", "bf16", 2, new Spread(1, 0.5, 2), 123.456, "GFLOP/s", "fine")
            .withRoof(400, 0.31234)
            .withRatio(1.0567);
    new ResultsFile(file, "cpu x 2").append(List.of(first));
    new ResultsFile(file, "cpu x 2")
        .append(List.of(Measurement.of("b", "i64", 1, new Spread(1, 1, 1), 2, "ns", "fine")));
    try (Reader in = Files.newBufferedReader(file)) {
      List<CSVRecord> rows =
          CSVFormat.DEFAULT
              .builder()
              .setHeader()
              .setSkipHeaderRecord(true)
              .get()
              .parse(in)
              .getRecords();
      assertEquals(2, rows.size());
      assertEquals("unknown", rows.get(0).get("commit"));
      assertEquals("cpu x 2", rows.get(0).get("hardware"));
      assertEquals("a, with \"comma\"", rows.get(0).get("workload"));
      assertEquals("123.5", rows.get(0).get("rate"));
      assertEquals("0.3123", rows.get(0).get("fraction"));
      assertEquals("1.057", rows.get(0).get("ratio"));
      assertEquals("", rows.get(1).get("fraction"));
      assertTrue(rows.get(1).get("date").matches("\\d{4}-\\d\\d-\\d\\d"));
    }
  }
}
