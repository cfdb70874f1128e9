package palimpsest.cli;

import java.util.Map;
import palimpsest.privacy.Ledger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Cuts the half-written last line that a crash left; what was paid stays paid. */
@Command(
    name = "repair",
    description =
        "Cuts a half-written last line, as a crash leaves it; nothing that was paid is lost.",
    footer = {"", "Example: palimpsest ledger repair tickets"})
final class LedgerRepairCommand extends Verb {
  @Mixin private LedgerOptions ledger;

  @Override
  public Integer call() {
    ledger.requireExisting();
    boolean cut = Ledger.repair(ledger.directory(), ledger.dataSet());
    print(
        Map.of("repaired", cut),
        cut ? "a half-written line was cut" : "nothing to repair: the ledger is whole");
    return ExitCode.DONE;
  }
}
