package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The owner's limit of a data set: the one place where it can be raised. */
@Command(
    name = "cap",
    description =
        "Sets, lowers or raises the limit of a data set; every change stays in its ledger.",
    footer = {"", "Example: palimpsest ledger cap tickets --epsilon 10 --delta 1e-6"})
final class LedgerCapCommand extends Verb {
  @Mixin private LedgerOptions ledger;

  @Option(
      names = "--epsilon",
      required = true,
      paramLabel = "E",
      description = "No run may bring the total above this.")
  private double epsilon;

  @Option(
      names = "--delta",
      required = true,
      paramLabel = "D",
      description = "Delta at which the total is computed.")
  private double delta;

  @Override
  public Integer call() {
    LedgerRecord.Cap cap = new LedgerRecord.Cap(epsilon, delta);
    ledger.requireExisting();
    try (Ledger open = Ledger.open(ledger.directory(), ledger.dataSet())) {
      open.setCap(cap.epsilon(), cap.delta());
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("data_set", ledger.dataSet());
    fields.put("epsilon", cap.epsilon());
    fields.put("delta", cap.delta());
    print(
        fields,
        "%s: the total may not pass epsilon %s at delta %s"
            .formatted(ledger.dataSet(), Numbers.lower(cap.epsilon()), cap.delta()));
    return ExitCode.DONE;
  }
}
