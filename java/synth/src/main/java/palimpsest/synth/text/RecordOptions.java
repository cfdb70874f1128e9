package palimpsest.synth.text;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How a file of records is read. All of it is public: the owner states it, nothing is guessed from
 * the records.
 *
 * @param format the file's format; empty: by its name (.csv, .tsv, .jsonl, .ndjson, each also .gz)
 * @param header whether the first line names the columns (CSV and TSV)
 * @param text columns that make the text, joined by one space; a name, or a number from 1
 * @param label the label's column; empty: the data has no labels
 * @param labelUntil the label ends before this text, such as ":" in {@code LOC:city}; empty: it is
 *     the whole column
 * @param user the column that tells whose record it is, under a header by its name, which no other
 *     column has; empty: each record stands for itself
 * @param recordsPerUser records of one user that count, the first in the file
 * @param charset UTF-8, ISO-8859-1 or windows-1252
 */
public record RecordOptions(
    Optional<Format> format,
    boolean header,
    List<String> text,
    Optional<String> label,
    Optional<String> labelUntil,
    Optional<String> user,
    int recordsPerUser,
    Charset charset,
    Limits limits) {

  /** How records and columns lie in the file. */
  public enum Format {
    /** RFC 4180: commas, double quotes, line ends inside quotes. */
    CSV,
    /** One record a line, tabs, no quotes; the last column may hold tabs. */
    TSV,
    /** One JSON object a line; columns are its keys. */
    JSONL,
    /** One record a line: the label, one space, the text. */
    LABEL_LINES;

    private static Format of(String name) {
      String lower = name.toLowerCase(Locale.ROOT);
      String base = lower.endsWith(".gz") ? lower.substring(0, lower.length() - 3) : lower;
      return switch (base.substring(base.lastIndexOf('.') + 1)) {
        case "csv" -> CSV;
        case "tsv" -> TSV;
        case "jsonl", "ndjson" -> JSONL;
        default ->
            throw new InputException(
                name
                    + ": the name does not tell the format; state it: csv, tsv, jsonl, label-lines");
      };
    }
  }

  /**
   * Caps that hold before anything is believed. Those on memory are there so that a file runs into
   * a stated limit, the same for everybody, and never into the end of the heap.
   *
   * @param fileBytes bytes of the unpacked file
   * @param lineBytes bytes of one record; what is over is cut off
   * @param heapShare the share of the largest Java heap that all records may take, in (0, 1)
   * @param maxTokens tokens that each record is to be encoded into, at most; 0: none
   */
  public record Limits(long fileBytes, int lineBytes, double heapShare, int maxTokens) {
    public static final Limits DEFAULT = new Limits(4L << 30, 1 << 20, 0.6, 0);

    /** More than the objects, references and map entry of a record and its user in 64-bit Java. */
    private static final int RECORD_BYTES = 160;

    /** Bytes that all records may take. */
    public long room() {
      return (long) (heapShare * Runtime.getRuntime().maxMemory());
    }

    /**
     * Bytes that one record is counted as: at least what it takes while it is read, with its text,
     * and while it is encoded, with its text and its tokens.
     *
     * @param textBytes its text, as UTF-8
     * @param userBytes the name of its user, 0 without one
     */
    public long bytes(int textBytes, int userBytes) {
      return RECORD_BYTES + textBytes + 2L * userBytes + 4L * maxTokens;
    }
  }

  /** In UTF-16; the ledger keeps the name in a line of bounded length. */
  private static final int LONGEST_USER_COLUMN = 200;

  public RecordOptions {
    text = List.copyOf(text);
    if (text.isEmpty()) {
      throw new InputException("text: no column; name at least one");
    }
    if (user.isPresent() && user.get().length() > LONGEST_USER_COLUMN) {
      throw new InputException(
          "user: the column's name has more than "
              + LONGEST_USER_COLUMN
              + " characters; shorten it");
    }
    if (recordsPerUser < 1 || recordsPerUser == Integer.MAX_VALUE) {
      throw new InputException(
          "records per user: "
              + recordsPerUser
              + " is not in [1, "
              + (Integer.MAX_VALUE - 1)
              + "]");
    }
    if (!List.of("UTF-8", "ISO-8859-1", "windows-1252").contains(charset.name())) {
      throw new InputException(
          "encoding " + charset.name() + " is not read; convert the file to UTF-8");
    }
  }

  /**
   * The format of a file: the stated one, else by its name.
   *
   * @throws InputException if the name does not tell
   */
  Format formatOf(Path file) {
    return format.orElseGet(() -> Format.of(file.toString()));
  }

  /**
   * Public words that say what a record is in a file and, where people are protected, whose it is.
   */
  public String rows(Path file) {
    Format read = formatOf(file);
    boolean columns = read == Format.CSV || read == Format.TSV;
    return "rows of "
        + read.name().toLowerCase(Locale.ROOT)
        + (columns ? header ? " with a header" : " without a header" : "")
        + user.map(column -> " by the person in column '" + ascii(column) + "'").orElse("");
  }

  /** The name in printable ASCII, as a ledger keeps it; different names stay different. */
  private static String ascii(String name) {
    StringBuilder text = new StringBuilder();
    for (byte code : name.getBytes(StandardCharsets.UTF_8)) {
      if (code >= ' ' && code <= '~' && "\"\\%".indexOf(code) < 0) {
        text.append((char) code);
      } else {
        text.append('%').append(HexFormat.of().toHexDigits(code));
      }
    }
    return text.toString();
  }

  /** Text and label by column, with a header line, the format by the file's name. */
  public static RecordOptions of(List<String> text, String label) {
    return new RecordOptions(
        Optional.empty(),
        true,
        text,
        Optional.ofNullable(label),
        Optional.empty(),
        Optional.empty(),
        1,
        StandardCharsets.UTF_8,
        Limits.DEFAULT);
  }

  /** The format {@link Format#LABEL_LINES}, whose columns are fixed. */
  public static RecordOptions labelLines() {
    return of(List.of("2"), "1").withFormat(Format.LABEL_LINES).withHeader(false);
  }

  public RecordOptions withFormat(Format value) {
    return copy(Optional.of(value), header, labelUntil, user, recordsPerUser, charset, limits);
  }

  public RecordOptions withHeader(boolean value) {
    return copy(format, value, labelUntil, user, recordsPerUser, charset, limits);
  }

  public RecordOptions withLabelUntil(String value) {
    Optional<String> mark = Optional.of(value).filter(text -> !text.isEmpty());
    return copy(format, header, mark, user, recordsPerUser, charset, limits);
  }

  public RecordOptions withUser(String column, int most) {
    return copy(format, header, labelUntil, Optional.of(column), most, charset, limits);
  }

  public RecordOptions withCharset(Charset value) {
    return copy(format, header, labelUntil, user, recordsPerUser, value, limits);
  }

  public RecordOptions withLimits(Limits value) {
    return copy(format, header, labelUntil, user, recordsPerUser, charset, value);
  }

  /** For records that are to be encoded into at most so many tokens each. */
  public RecordOptions withMaxTokens(int value) {
    return withLimits(
        new Limits(limits.fileBytes(), limits.lineBytes(), limits.heapShare(), value));
  }

  /** The same columns, read otherwise. */
  private RecordOptions copy(
      Optional<Format> format,
      boolean header,
      Optional<String> labelUntil,
      Optional<String> user,
      int recordsPerUser,
      Charset charset,
      Limits limits) {
    return new RecordOptions(
        format, header, text, label, labelUntil, user, recordsPerUser, charset, limits);
  }
}
