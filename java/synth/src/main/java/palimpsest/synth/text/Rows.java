package palimpsest.synth.text;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * Cuts a stream into rows, one a record: at LF, or, with quotes, at an LF outside of double quotes
 * (RFC 4180). A row's memory is capped; what is over is passed by. Where a row ends never depends
 * on the cap, so that one over-long record stays one record.
 */
final class Rows {
  private enum State {
    ROW_START,
    /** After the first byte of a byte-order mark, and after the second. */
    MARK_1,
    MARK_2,
    FIELD_START,
    UNQUOTED,
    QUOTED,
    /** After a quote that closes the field unless another follows. */
    AFTER_QUOTE,
    /** After white space behind a closing quote. */
    CLOSED
  }

  private final InputStream in;
  private final boolean quotes;
  private final byte[] buffer = new byte[1 << 16];
  private int position;
  private int filled;
  private byte[] row = new byte[256];
  private int size;
  private final int cap;
  private long nextLine = 1;
  private long line;
  private boolean cut;
  private boolean unclosed;
  private boolean stray;
  private boolean severalLines;

  Rows(InputStream in, boolean quotes, int cap) {
    this.in = in;
    this.quotes = quotes;
    this.cap = cap;
  }

  /** Moves to the next row; false at the end of the stream. */
  boolean next() throws IOException {
    size = 0;
    cut = false;
    unclosed = false;
    stray = false;
    severalLines = false;
    line = nextLine;
    boolean any = quotes ? nextQuoted() : nextLine();
    if (size > 0 && row[size - 1] == '\r') {
      size--;
    }
    dropByteOrderMark();
    return any;
  }

  /**
   * At the start of any row: a row that moves up when the first leaves must be read as it was
   * before.
   */
  private void dropByteOrderMark() {
    if (size >= 3 && row[0] == -17 && row[1] == -69 && row[2] == -65) {
      size -= 3;
      System.arraycopy(row, 3, row, 0, size);
    }
  }

  private boolean nextLine() throws IOException {
    boolean any = false;
    while (position < filled || fill()) {
      any = true;
      int end = position;
      while (end < filled && buffer[end] != '\n') {
        end++;
      }
      append(position, end);
      position = end;
      if (end < filled) {
        position++;
        nextLine++;
        return true;
      }
    }
    return any;
  }

  private boolean nextQuoted() throws IOException {
    boolean any = false;
    State state = State.ROW_START;
    while (position < filled || fill()) {
      any = true;
      int end = position;
      while (end < filled && (buffer[end] != '\n' || state == State.QUOTED)) {
        boolean lineEnd = buffer[end] == '\n';
        nextLine += lineEnd ? 1 : 0;
        severalLines |= lineEnd;
        State next = after(state, buffer[end]);
        stray |= next == State.UNQUOTED && (state == State.AFTER_QUOTE || state == State.CLOSED);
        state = next;
        end++;
      }
      append(position, end);
      position = end;
      if (end < filled) {
        position++;
        nextLine++;
        return true;
      }
    }
    unclosed = state == State.QUOTED;
    return any;
  }

  /** As the CSV parser reads: text after a closing quote belongs to the field, unquoted. */
  private static State after(State state, byte b) {
    return switch (state) {
      case ROW_START -> b == -17 ? State.MARK_1 : after(State.FIELD_START, b);
      case MARK_1 -> b == -69 ? State.MARK_2 : after(State.UNQUOTED, b);
      case MARK_2 -> b == -65 ? State.FIELD_START : after(State.UNQUOTED, b);
      case QUOTED -> b == '"' ? State.AFTER_QUOTE : State.QUOTED;
      case FIELD_START -> b == '"' ? State.QUOTED : b == ',' ? state : State.UNQUOTED;
      case AFTER_QUOTE -> b == '"' ? State.QUOTED : after(State.CLOSED, b);
      case CLOSED -> isSpace(b) ? state : after(State.UNQUOTED, b);
      case UNQUOTED -> b == ',' ? State.FIELD_START : State.UNQUOTED;
    };
  }

  private static boolean isSpace(byte b) {
    return b == ' ' || b == '\t' || b == '\r';
  }

  private void append(int from, int to) {
    int length = Math.min(to - from, cap - size);
    cut |= length < to - from;
    if (size + length > row.length) {
      row = Arrays.copyOf(row, Math.min(cap, Math.max(size + length, 2 * row.length)));
    }
    System.arraycopy(buffer, from, row, size, length);
    size += length;
  }

  private boolean fill() throws IOException {
    position = 0;
    filled = Math.max(0, in.read(buffer, 0, buffer.length));
    return filled > 0;
  }

  byte[] bytes() {
    return Arrays.copyOf(row, size);
  }

  boolean isBlank() {
    for (int i = 0; i < size; i++) {
      if (row[i] != ' ' && row[i] != '\r') {
        return false;
      }
    }
    return true;
  }

  /** Line where the row starts, from 1. */
  long line() {
    return line;
  }

  /** Whether bytes over the cap were passed by. */
  boolean cut() {
    return cut;
  }

  /** Whether text stands between a closing quote and the end of its field. */
  boolean stray() {
    return stray;
  }

  /** Whether a quoted field holds a line end. */
  boolean severalLines() {
    return severalLines;
  }

  /** Whether the stream ended inside quotes. */
  boolean unclosed() {
    return unclosed;
  }
}
