package palimpsest.privacy;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The one JSON form that a ledger line may have: an object of strings and integers, no spaces, no
 * escapes, no duplicate keys. Every accepted text is the canonical text of what it says, so a hash
 * of the text is a hash of the content.
 */
final class FlatJson {
  private static final int MAX_FIELDS = 32;

  private final String text;
  private int at;

  private FlatJson(String text) {
    this.text = text;
  }

  /** The canonical text; values are {@link String} or {@link Long}. */
  static String write(SequencedMap<String, Object> fields) {
    StringBuilder out = new StringBuilder("{");
    for (Map.Entry<String, Object> field : fields.entrySet()) {
      out.append(out.length() == 1 ? "" : ",").append(quoted(field.getKey())).append(':');
      switch (field.getValue()) {
        case Long number -> out.append(number.longValue());
        case String string -> out.append(quoted(string));
        default -> throw new IllegalArgumentException("ledger line: a value is a string or a long");
      }
    }
    return out.append('}').toString();
  }

  private static String quoted(String string) {
    if (!string.chars().allMatch(FlatJson::plain)) {
      throw new IllegalArgumentException(
          "ledger line: a string has printable ASCII other than quote and backslash");
    }
    return '"' + string + '"';
  }

  private static boolean plain(int c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  }

  /**
   * The fields in the order of the text.
   *
   * @throws IllegalArgumentException if the text is not canonical
   */
  static SequencedMap<String, Object> read(String text) {
    return new FlatJson(text).object();
  }

  private SequencedMap<String, Object> object() {
    SequencedMap<String, Object> fields = new LinkedHashMap<>();
    expect('{');
    if (peek() != '}') {
      field(fields);
      while (peek() == ',') {
        at++;
        field(fields);
      }
    }
    expect('}');
    if (at != text.length()) {
      throw malformed();
    }
    return fields;
  }

  private void field(Map<String, Object> fields) {
    String key = string();
    expect(':');
    Object value = peek() == '"' ? string() : integer();
    if (fields.put(key, value) != null || fields.size() > MAX_FIELDS) {
      throw malformed();
    }
  }

  private String string() {
    expect('"');
    int from = at;
    while (plain(peek())) {
      at++;
    }
    String value = text.substring(from, at);
    expect('"');
    return value;
  }

  private Long integer() {
    int from = at;
    if (peek() == '-') {
      at++;
    }
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    String digits = text.substring(from, at);
    try {
      long value = Long.parseLong(digits);
      if (Long.toString(value).equals(digits)) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw malformed();
    }
    throw malformed();
  }

  private int peek() {
    return at < text.length() ? text.charAt(at) : -1;
  }

  private void expect(char c) {
    if (peek() != c) {
      throw malformed();
    }
    at++;
  }

  private IllegalArgumentException malformed() {
    return new IllegalArgumentException("ledger line: not canonical at character " + (at + 1));
  }
}
