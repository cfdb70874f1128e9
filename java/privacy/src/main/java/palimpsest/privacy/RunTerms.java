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
  /** Checks that nothing is missing. */
  public RunTerms {
    Objects.requireNonNull(spec, "spec");
    Objects.requireNonNull(rows, "rows");
    Objects.requireNonNull(first, "first");
    waivers = waivers.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(waivers));
  }

  /** A new run on data whose records need no words, with nothing declared public. */
  public static RunTerms of(MechanismSpec spec) {
    return new RunTerms(spec, "records", Set.of(), Optional.empty());
  }
}
