package palimpsest.synth.text;

/**
 * A file, a setting or a public list that cannot be used. The message is one line: what, where,
 * what to do. It never holds text of a private record.
 */
public final class InputException extends RuntimeException {
  public InputException(String message) {
    super(message);
  }

  /** Keeps the class of the cause in the message, not the cause: its text may quote the input. */
  /** A file that cannot be read, for a reason of the operating system. */
  public static InputException unreadable(String name, Exception cause) {
    return new InputException(name + ": cannot be read (" + cause.getClass().getSimpleName() + ")");
  }
}
