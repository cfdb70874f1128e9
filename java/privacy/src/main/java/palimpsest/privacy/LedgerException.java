package palimpsest.privacy;

/** A privacy ledger cannot be read, trusted or written: nothing private may run on its data set. */
public class LedgerException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  LedgerException(String message) {
    super("ledger: " + message);
  }

  LedgerException(String message, Throwable cause) {
    super("ledger: " + message, cause);
  }
}
