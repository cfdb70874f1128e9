package palimpsest.privacy;

import java.util.Objects;

/**
 * One line of a {@link Ledger}. The kinds are closed: a line that none of them describes makes the
 * ledger unreadable, because a use of the data that is not understood has no epsilon. Nothing in a
 * record is derived from the content of the data.
 */
public sealed interface LedgerRecord {

  /**
   * The first record: what the account is about.
   *
   * @param dataSet the name that the owner gives the data; the account follows the name, whatever
   *     file holds the data
   * @param unit whose presence is protected
   * @param relation which data sets count as neighbours
   */
  record Genesis(String dataSet, ProtectedUnit unit, NeighbouringRelation relation)
      implements LedgerRecord {
    public Genesis {
      Objects.requireNonNull(dataSet, "dataSet");
      Objects.requireNonNull(unit, "unit");
      Objects.requireNonNull(relation, "relation");
    }
  }

  /**
   * The owner's limit, in force until the next one.
   *
   * @param epsilon largest total epsilon; positive and finite
   * @param delta delta at which it is computed
   */
  record Cap(double epsilon, double delta) implements LedgerRecord {
    public Cap {
      if (!(epsilon > 0
          && epsilon < Double.POSITIVE_INFINITY
          && delta >= PrivacyLoss.MIN_DELTA
          && delta < 1)) {
        throw new IllegalArgumentException(
            "ledger cap: epsilon must be positive and finite, delta at least "
                + PrivacyLoss.MIN_DELTA
                + " and below 1");
      }
    }
  }

  /**
   * A file was read.
   *
   * @param hmac HMAC-SHA256 of its SHA-256 digest under the ledger's secret: equal files have equal
   *     codes, and a code alone tells nothing
   */
  record FileSeen(String hmac) implements LedgerRecord {}

  /**
   * A training run begins.
   *
   * @param run name of the run, 16 hexadecimal digits
   * @param keyFingerprint {@link SecretKey#fingerprint()}
   * @param insecure whether the key is known to others, so that the run is not private
   * @param terms what it takes
   */
  record RunStart(String run, String keyFingerprint, boolean insecure, RunTerms terms)
      implements LedgerRecord {
    public RunStart {
      Objects.requireNonNull(terms, "terms");
    }

    /** The mechanism; its steps are the plan. */
    public MechanismSpec spec() {
      return terms.spec();
    }

    /** The run that a chain of interrupted and resumed runs began with: this one, if it is new. */
    public String first() {
      return terms.first().orElse(run);
    }
  }

  /**
   * A noisy update is about to be made, and is paid for from here on.
   *
   * @param step its number in the run's random streams
   */
  record Step(String run, long step) implements LedgerRecord {}

  /**
   * A run is about to release another noisy quantity of the whole data set, which is paid for from
   * here on.
   *
   * @param what a public word for it, such as {@code labels}
   * @param event a {@link PrivacyEvent.Gaussian} or {@link PrivacyEvent.DiscreteLaplace}
   */
  record Release(String run, String what, PrivacyEvent event) implements LedgerRecord {
    public Release {
      if (!what.matches("[a-z][a-z0-9-]{0,31}")) {
        throw new IllegalArgumentException(
            "ledger: a release is named by small letters, digits and dashes");
      }
      if (!(event instanceof PrivacyEvent.Gaussian
          || event instanceof PrivacyEvent.DiscreteLaplace)) {
        throw new IllegalArgumentException(
            "ledger: a release is Gaussian or discrete Laplace; runs are written step by step");
      }
    }
  }

  /** A run made its steps and ended. One that was given up or interrupted has no end. */
  record RunEnd(String run) implements LedgerRecord {}

  /** A line that a crash left half written was cut away; it had paid for nothing. */
  record Repair(long bytesCut) implements LedgerRecord {}
}
