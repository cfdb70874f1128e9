package palimpsest.synth.text;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The private records in memory: a label index and a text each. Reading never stops on a record: a
 * fixed rule per record ({@link Problem.Kind}) repairs or drops it in silence, so neither a message
 * nor a failure is a function of one record. Nothing here prints what it holds, not even its size.
 *
 * <p>In a well-formed file one row is one record, whatever the row holds. A CSV quote that is
 * missing can make several rows one: {@link #check} shows every row where that may be so.
 */
public final class Records {
  private static final int MAX_PROBLEMS = 100_000;

  private final IntList labels = new IntList(1024);
  private final List<byte[]> texts = new ArrayList<>();
  private int[] labelArray;
  private byte[] digest;
  private long bytes;

  private Records() {}

  /**
   * Reads records for a private run.
   *
   * @throws InputException if the file as such cannot be used: missing, empty, over a cap, no such
   *     column, or without a single usable record
   */
  public static Records read(Path path, RecordOptions options, Labels labels) {
    Records records = new Records();
    records.digest = scan(path, options, labels, records, new ArrayList<>(), 0);
    if (records.texts.isEmpty()) {
      throw new InputException(path + ": no record can be used; see what 'check' says of the file");
    }
    records.labelArray = records.labels.toArray();
    return records;
  }

  /**
   * How many records a private run would use and what it would repair or drop, for the owner alone.
   *
   * @throws InputException if the file as such cannot be used
   */
  public static Findings check(Path path, RecordOptions options, Labels labels) {
    List<Problem> problems = new ArrayList<>();
    Records records = new Records();
    scan(path, options, labels, records, problems, MAX_PROBLEMS);
    if (records.texts.isEmpty() && problems.isEmpty()) {
      throw new InputException(path + ": has no records; give a file with records");
    }
    return new Findings(records.texts.size(), problems);
  }

  /**
   * What the owner of a file learns of it. Private.
   *
   * @param usable records that a private run would use
   * @param problems line numbers and kinds, no text: the first {@value Records#MAX_PROBLEMS} of
   *     each kind
   */
  public record Findings(int usable, List<Problem> problems) {
    /** Copies the list. */
    public Findings {
      problems = List.copyOf(problems);
    }
  }

  /**
   * What the file seems to be instead of text records, by its first bytes; for the owner alone,
   * since without a header they are a record's.
   *
   * @return words that follow the file's name
   */
  public static Optional<String> hint(Path path, RecordOptions options) {
    try (CappedInput in = CappedInput.open(path, options.limits())) {
      return MagicBytes.hint(in.readNBytes(MagicBytes.LENGTH));
    } catch (IOException e) {
      throw InputException.unreadable(path.toString(), e);
    }
  }

  private static byte[] scan(
      Path path,
      RecordOptions options,
      Labels labels,
      Records records,
      List<Problem> problems,
      int mostProblems) {
    Map<String, Integer> recordsOfUser = new HashMap<>();
    Map<Problem.Kind, Integer> found = new EnumMap<>(Problem.Kind.class);
    return RecordFile.scan(
        path,
        options,
        new RecordFile.Sink() {
          @Override
          public void record(long line, String label, byte[] text, byte[] user) {
            int index = options.label().isEmpty() ? 0 : labels.indexOf(label);
            if (index < 0) {
              problem(line, Problem.Kind.UNKNOWN_LABEL);
              return;
            }
            if (user != null
                && !admit(recordsOfUser, Utf8.decode(user), options.recordsPerUser())) {
              problem(line, Problem.Kind.OVER_USER_LIMIT);
              return;
            }
            records.add(path, options.limits(), index, text, user == null ? 0 : user.length);
          }

          @Override
          public void problem(long line, Problem.Kind kind) {
            // Of each kind, so that what is common and harmless does not hide the rest.
            if (found.merge(kind, 1, Integer::sum) <= mostProblems) {
              problems.add(new Problem(line, kind));
            }
          }
        });
  }

  /**
   * Whether a person may have one record more. Counts no further than past the limit: a file has
   * room for more rows than an int for numbers.
   */
  static boolean admit(Map<String, Integer> recordsOfUser, String user, int limit) {
    return recordsOfUser.merge(user, 1, (before, _) -> before > limit ? before : before + 1)
        <= limit;
  }

  private void add(Path path, RecordOptions.Limits limits, int label, byte[] text, int userBytes) {
    bytes += limits.bytes(text.length, userBytes);
    if (bytes > limits.room()) {
      throw new InputException(
          path
              + ": more records than the Java heap has room for; use part of them, or allow a larger"
              + " heap, such as PALIMPSEST_JAVA_OPTS=-Xmx8g");
    }
    labels.add(label);
    texts.add(text);
  }

  /** Number of records: private, like everything here. */
  public int size() {
    return texts.size();
  }

  /** SHA-256 of the file, of the very bytes that these records were read from. Private. */
  public byte[] digest() {
    return digest.clone();
  }

  /** Label of record {@code i}, an index into the list of labels. */
  public int label(int i) {
    return labelArray[i];
  }

  /** UTF-8 text of record {@code i}, not blank, not copied: callers do not write to it. */
  public byte[] text(int i) {
    return texts.get(i);
  }

  /** Overwrites the texts with zeros, when they are no longer needed. */
  public void erase() {
    for (byte[] text : texts) {
      Arrays.fill(text, (byte) 0);
    }
  }

  @Override
  public String toString() {
    return "Records[private]";
  }
}
