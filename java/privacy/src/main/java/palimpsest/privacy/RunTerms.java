package palimpsest.privacy;

import java.util.EnumSet;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * What a training run takes from its account, as the ledger keeps it.
 *
 * @param spec the mechanism; its steps are the plan; unit and relation are those of the account
 * @param rows public words that say what a record is in the data and, where people are protected,
 *     whose it is: costs add up over the same neighbours only, so the runs of an account agree on
 *     them
 * @param waivers what the owner declared public: a total over several runs is as qualified as the
 *     most qualified of them
 * @param first name of the run that this one goes on from after an interruption; empty: it is a new
 *     one
 */
public record RunTerms(
    MechanismSpec spec, String rows, Set<Waiver> waivers, Optional<String> first) {
  private static final String WORDS = "[ !#-\\[\\]-~]{1,2000}";

  /**
   * Checks that a ledger's line can hold it.
   *
   * @throws IllegalArgumentException if {@code rows} is not 1 to 2000 printable characters of ASCII
   *     other than quote and backslash, or {@code first} not 16 hexadecimal digits
   */
  public RunTerms {
    Objects.requireNonNull(spec, "spec");
    Objects.requireNonNull(rows, "rows");
    Objects.requireNonNull(first, "first");
    if (!rows.matches(WORDS)) {
      throw new IllegalArgumentException(
          "ledger: the words that say what a record is must be 1 to 2000 printable ASCII characters"
              + " other than quote and backslash; shorten the name of the --user column");
    }
    if (first.isPresent() && !first.get().matches("[0-9a-f]{16}")) {
      throw new IllegalArgumentException("ledger: a run's name has 16 hexadecimal digits");
    }
    waivers = waivers.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(waivers));
  }

  /** A new run on data whose records need no words, with nothing declared public. */
  public static RunTerms of(MechanismSpec spec) {
    return new RunTerms(spec, "records", Set.of(), Optional.empty());
  }
}
