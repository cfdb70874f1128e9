package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What a data set has paid so far. */
@Command(
    name = "ledger",
    description = "What a data set has paid so far: show, verify, cap, repair.",
    subcommands = {
      LedgerShowCommand.class,
      LedgerVerifyCommand.class,
      LedgerCapCommand.class,
      LedgerRepairCommand.class,
    },
    footer = {"", "Example: palimpsest ledger show tickets"})
final class LedgerCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "ledger: say show, verify, cap or repair");
  }
}
