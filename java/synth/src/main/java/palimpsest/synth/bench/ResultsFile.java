package palimpsest.synth.bench;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVPrinter;

/** A CSV file of measurements that only grows: each row says when, from which commit and where. */
public final class ResultsFile {
  private static final String UNKNOWN = "unknown";
  private static final long GIT_SECONDS = 10;

  private final Path file;
  private final String hardware;

  /**
   * @param hardware processor and cores, in a few words
   */
  public ResultsFile(Path file, String hardware) {
    this.file = file.toAbsolutePath();
    this.hardware = hardware;
  }

  /** Appends rows, after a header if the file is new. */
  public void append(List<Measurement> measurements) throws IOException {
    Files.createDirectories(file.getParent());
    boolean isNew = !Files.exists(file) || Files.size(file) == 0;
    String date = LocalDate.now(ZoneOffset.UTC).toString();
    String commit = commit(file.getParent());
    CSVFormat format = CSVFormat.DEFAULT.builder().setRecordSeparator('\n').get();
    try (Writer out =
            Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        CSVPrinter csv = new CSVPrinter(out, format)) {
      for (Measurement measurement : measurements) {
        if (isNew) {
          List<Object> header = new ArrayList<>(List.of("date", "commit", "hardware"));
          header.addAll(measurement.fields().keySet());
          csv.printRecord(header);
          isNew = false;
        }
        List<Object> row = new ArrayList<>(List.of(date, commit, hardware));
        row.addAll(measurement.fields().values());
        csv.printRecord(row);
      }
    }
  }

  /** The commit of the checkout around a folder, or "unknown". */
  static String commit(Path folder) {
    try {
      Process git =
          new ProcessBuilder("git", "-C", folder.toString(), "rev-parse", "--short=12", "HEAD")
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String commit = new String(git.getInputStream().readNBytes(64)).strip();
      boolean done = git.waitFor(GIT_SECONDS, TimeUnit.SECONDS);
      return done && git.exitValue() == 0 && !commit.isEmpty() ? commit : UNKNOWN;
    } catch (IOException e) {
      return UNKNOWN;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return UNKNOWN;
    }
  }
}
