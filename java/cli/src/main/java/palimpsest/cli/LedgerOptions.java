package palimpsest.cli;

import java.nio.file.Path;
import palimpsest.privacy.Ledger;
import palimpsest.synth.StateFolder;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which ledger a command is about. */
final class LedgerOptions {
  @Parameters(paramLabel = "NAME", description = "The data set's name, as its owner gave it.")
  private String dataSet;

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description = "The private state directory; by default the one that runs write to.")
  private Path state;

  String dataSet() {
    return dataSet;
  }

  Path directory() {
    return StateFolder.ledgers(state == null ? StateFolder.standard() : state);
  }

  /**
   * @throws IllegalArgumentException if there is no such ledger
   */
  void requireExisting() {
    if (!Ledger.exists(directory(), dataSet)) {
      throw new IllegalArgumentException(
          "there is no ledger of '" + dataSet + "' in " + directory() + "; check the name");
    }
  }
}
