package palimpsest.privacy;

/**
 * Refused for privacy: what was asked for costs more than the owner of the data allows. Exit code 3
 * on the command line.
 */
public final class PrivacyBudgetException extends LedgerException {
  private static final long serialVersionUID = 1L;

  PrivacyBudgetException(String message) {
    super(message);
  }
}
