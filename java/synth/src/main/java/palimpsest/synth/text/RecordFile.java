package palimpsest.synth.text;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * One pass over a file of records. What becomes of a record is a function of that record alone, by
 * fixed rules ({@link Problem.Kind}); problems go to the sink, which a private run leaves empty.
 */
final class RecordFile {
  /** Receives records and problems, in file order. */
  interface Sink {
    /**
     * @param label the label's text, empty where there is no label column
     * @param text valid UTF-8 without NUL, not blank
     * @param user the user column, valid UTF-8 and not blank, or null without such a column
     */
    void record(long line, String label, byte[] text, byte[] user);

    void problem(long line, Problem.Kind kind);
  }

  private final String name;
  private final RecordOptions options;
  private final Sink sink;
  private int[] textColumns;
  private int labelColumn;
  private int userColumn;

  private RecordFile(String name, RecordOptions options, Sink sink) {
    this.name = name;
    this.options = options;
    this.sink = sink;
  }

  /**
   * Reads the whole file.
   *
   * @return SHA-256 of its bytes
   * @throws InputException if the file is missing, empty, of another kind, over a cap, or lacks a
   *     column in its header
   */
  static byte[] scan(Path path, RecordOptions options, Sink sink) {
    RecordFile file = new RecordFile(path.toString(), options, sink);
    try (CappedInput in = CappedInput.open(path, options.limits())) {
      RecordOptions.Format format = options.formatOf(path);
      boolean quotes = format == RecordOptions.Format.CSV;
      file.scan(new Rows(in, quotes, options.limits().lineBytes()), format);
      return in.digest();
    } catch (IOException e) {
      throw InputException.unreadable(path.toString(), e);
    }
  }

  private void scan(Rows rows, RecordOptions.Format format) throws IOException {
    boolean header =
        options.header()
            && (format == RecordOptions.Format.CSV || format == RecordOptions.Format.TSV);
    if (header && !nextFilled(rows)) {
      throw new InputException(name + ": is empty; give a file with records");
    }
    Fields fields = fields(format, header ? header(rows) : null);
    if (header && rows.severalLines()) {
      sink.problem(rows.line(), Problem.Kind.SEVERAL_LINES);
    }
    while (nextFilled(rows)) {
      row(rows, fields);
    }
  }

  /** The header line, which is public, and which no file of another kind has. */
  private byte[] header(Rows rows) {
    byte[] line = rows.bytes();
    MagicBytes.hint(line)
        .ifPresent(hint -> {
          throw new InputException(name + ": " + hint);
        });
    return line;
  }

  private static boolean nextFilled(Rows rows) throws IOException {
    boolean more = rows.next();
    while (more && rows.isBlank()) {
      more = rows.next();
    }
    return more;
  }

  private Fields fields(RecordOptions.Format format, byte[] header) {
    if (header != null) {
      return fieldsUnder(header, format);
    }
    if (format == RecordOptions.Format.JSONL) {
      List<String> keys = new ArrayList<>(options.text());
      options.label().ifPresent(keys::add);
      options.user().ifPresent(keys::add);
      resolve(keys);
      return new Fields.Json(keys);
    }
    resolve(null);
    return switch (format) {
      case LABEL_LINES -> new Fields.Separated((byte) ' ', 2);
      case CSV -> new Fields.Csv();
      default -> new Fields.Separated((byte) '\t', columns());
    };
  }

  /**
   * The last column keeps what follows it, tabs included, unless it tells people apart, who would
   * be others by every word there.
   */
  private Fields fieldsUnder(byte[] header, RecordOptions.Format format) {
    boolean csv = format == RecordOptions.Format.CSV;
    Fields any = csv ? new Fields.Csv() : new Fields.Separated((byte) '\t', 1 << 14);
    List<String> names = new ArrayList<>();
    for (byte[] field : any.of(decoded(header))) {
      names.add(Utf8.decode(field).strip());
    }
    options.user().ifPresent(column -> requireUserNamed(column, names));
    resolve(names);
    return csv ? any : new Fields.Separated((byte) '\t', Math.max(names.size(), userColumn + 2));
  }

  /**
   * Costs of several runs add up over the same people, whom the ledger knows by the column's name:
   * a number would mean others once columns are moved, and a name that two columns have is none.
   */
  private void requireUserNamed(String column, List<String> names) {
    int count = Collections.frequency(names, column);
    if (count != 1) {
      throw new InputException(
          name
              + (count == 0
                  ? ": the header has no column '" + column + "'; give --user its name"
                  : ": the header has " + count + " columns '" + column + "'; rename all but one"));
    }
  }

  /** How many columns a row without a header is split into: the last one that is used is last. */
  private int columns() {
    int largest = Math.max(labelColumn, userColumn + 1);
    for (int column : textColumns) {
      largest = Math.max(largest, column);
    }
    return largest + 1;
  }

  /** Column indices by the names, or by number alone where there are no names. */
  private void resolve(List<String> names) {
    textColumns = options.text().stream().mapToInt(column -> index(column, names)).toArray();
    labelColumn = options.label().map(column -> index(column, names)).orElse(-1);
    userColumn = options.user().map(column -> index(column, names)).orElse(-1);
  }

  private int index(String column, List<String> names) {
    if (names != null && names.contains(column)) {
      return names.indexOf(column);
    }
    if (!column.matches("[1-9][0-9]{0,3}")) {
      throw new InputException(
          names == null
              ? name + ": column '" + column + "' is a name but there is no header; give a number"
              : name + ": the header has no column '" + column + "'; check its spelling");
    }
    int index = Integer.parseInt(column) - 1;
    if (names != null && index >= names.size()) {
      throw new InputException(name + ": the header has no column " + column);
    }
    return index;
  }

  private byte[] decoded(byte[] row) {
    return options.charset().equals(StandardCharsets.UTF_8)
        ? row
        : new String(row, options.charset()).getBytes(StandardCharsets.UTF_8);
  }

  private void row(Rows rows, Fields fields) {
    long line = rows.line();
    if (rows.unclosed() || rows.stray()) {
      boolean unclosed = rows.unclosed();
      sink.problem(line, unclosed ? Problem.Kind.UNCLOSED_QUOTE : Problem.Kind.TEXT_AFTER_QUOTE);
      return;
    }
    if (rows.severalLines()) {
      sink.problem(line, Problem.Kind.SEVERAL_LINES);
    }
    byte[] row = decoded(rows.bytes());
    if (rows.cut()) {
      sink.problem(line, Problem.Kind.LONG_LINE);
    }
    if (rows.cut() && userColumn >= 0) {
      // What is cut may be the user's name, and what is left of it another's.
      sink.problem(line, Problem.Kind.NO_USER);
      return;
    }
    if (!Utf8.isValid(row)) {
      sink.problem(line, Problem.Kind.BROKEN_ENCODING);
    }
    byte[][] columns = fields.of(row);
    if (columns == null) {
      boolean json = fields instanceof Fields.Json;
      sink.problem(line, json ? Problem.Kind.BAD_JSON : Problem.Kind.MISSING_COLUMN);
      return;
    }
    byte[] text = text(columns);
    byte[] label = labelColumn < 0 ? new byte[0] : column(columns, labelColumn);
    byte[] user = userColumn < 0 ? null : column(columns, userColumn);
    if (text == null || label == null || userColumn >= 0 && user == null) {
      sink.problem(line, Problem.Kind.MISSING_COLUMN);
      return;
    }
    if (user != null) {
      user = Utf8.strip(user, user.length);
      if (!namesSomeone(user)) {
        sink.problem(line, Problem.Kind.NO_USER);
        return;
      }
    }
    byte[] clean = clean(text, line);
    if (clean.length == 0) {
      sink.problem(line, Problem.Kind.EMPTY_TEXT);
      return;
    }
    sink.record(line, label(label), clean, user);
  }

  /**
   * Records of people who cannot be told apart must not share the room of one person: then one's
   * leaving would let another's records in.
   */
  private static boolean namesSomeone(byte[] user) {
    return user.length > 0 && Utf8.isValid(user) && Utf8.decode(user).indexOf(0xFFFD) < 0;
  }

  private static byte[] column(byte[][] columns, int index) {
    return index < columns.length ? columns[index] : null;
  }

  private byte[] text(byte[][] columns) {
    ByteArrayOutputStream joined = new ByteArrayOutputStream();
    for (int index : textColumns) {
      byte[] part = column(columns, index);
      if (part == null) {
        return null;
      }
      if (joined.size() > 0 && part.length > 0) {
        joined.write(' ');
      }
      joined.writeBytes(part);
    }
    return joined.toByteArray();
  }

  private byte[] clean(byte[] text, long line) {
    byte[] valid = Utf8.repair(text);
    byte[] clean = new byte[valid.length];
    int size = 0;
    for (byte b : valid) {
      if (b != 0) {
        clean[size++] = b;
      }
    }
    if (size < valid.length) {
      sink.problem(line, Problem.Kind.NUL_CHARACTER);
    }
    return Utf8.strip(clean, size);
  }

  private String label(byte[] column) {
    String label = Utf8.decode(column);
    int end = options.labelUntil().map(label::indexOf).orElse(-1);
    return (end < 0 ? label : label.substring(0, end)).strip();
  }
}
