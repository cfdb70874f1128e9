package palimpsest.synth.demo;

/** The grammar or a shipped demonstration file is not what it should be. */
public final class DemoDataException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DemoDataException(String message) {
    super(message);
  }

  DemoDataException(String message, Throwable cause) {
    super(message, cause);
  }
}
