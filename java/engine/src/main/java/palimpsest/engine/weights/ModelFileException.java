package palimpsest.engine.weights;

import java.nio.file.Path;

/**
 * A model file that cannot be used: what is wrong, in which file, in one line. Everything read from
 * such a file is untrusted; whatever of it enters a message passes {@link #quote} first.
 */
public final class ModelFileException extends RuntimeException {
  private static final int QUOTE_LENGTH = 80;

  public ModelFileException(String message) {
    super(message);
  }

  public ModelFileException(String message, Throwable cause) {
    super(message, cause);
  }

  /** This problem as one of a file, which its message names unless it does so already. */
  public ModelFileException in(Path file) {
    return getMessage().startsWith(file.toString())
        ? this
        : new ModelFileException(file + ": " + getMessage(), this);
  }

  /** Text of a file made fit for a message: printable ASCII, on one line, cut at 80 characters. */
  public static String quote(String text) {
    StringBuilder out = new StringBuilder("'");
    for (int i = 0; i < Math.min(text.length(), QUOTE_LENGTH); i++) {
      char c = text.charAt(i);
      out.append(c >= ' ' && c <= '~' ? c : '?');
    }
    return out.append(text.length() > QUOTE_LENGTH ? "...'" : "'").toString();
  }
}
