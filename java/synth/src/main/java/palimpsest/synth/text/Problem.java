package palimpsest.synth.text;

/**
 * What a private run would repair or drop in silence, for the owner's eyes.
 *
 * @param line line of the file where the record starts, counted from 1
 */
public record Problem(long line, Kind kind) {
  /** The fixed rule that applies to a record. */
  public enum Kind {
    BROKEN_ENCODING("bytes that are not UTF-8: each becomes U+FFFD", false),
    NUL_CHARACTER("NUL characters: removed", false),
    LONG_LINE("longer than the line limit: cut there", false),
    BAD_JSON("not one JSON object: dropped", true),
    UNCLOSED_QUOTE("a quote that is never closed: dropped, with all lines to the file's end", true),
    TEXT_AFTER_QUOTE(
        "text after a closing quote: dropped, with every line that a missing quote joined to it",
        true),
    SEVERAL_LINES(
        "a quoted field of several lines: used as it is; see that no missing quote joined lines of"
            + " several people",
        false),
    MISSING_COLUMN("a column is missing or not text: dropped", true),
    UNKNOWN_LABEL("its label is not on the list: dropped", true),
    EMPTY_TEXT("no text: dropped", true),
    NO_USER("its user is empty, cannot be read or may be cut: dropped", true),
    OVER_USER_LIMIT("its user already has the allowed number of records: dropped", true);

    private final String rule;
    private final boolean drops;

    Kind(String rule, boolean drops) {
      this.rule = rule;
      this.drops = drops;
    }

    /** What is wrong and what becomes of the record. */
    public String rule() {
      return rule;
    }

    /** Whether the record is left out. */
    public boolean drops() {
      return drops;
    }
  }

  @Override
  public String toString() {
    return "line " + line + ": " + kind.rule;
  }
}
