package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerHead;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/**
 * Checks that a ledger is whole; a broken one is exit code 3, since no private run may follow it.
 */
@Command(
    name = "verify",
    description = "Checks that no record of a ledger was changed or removed.",
    footer = {"", "Example: palimpsest ledger verify tickets"})
final class LedgerVerifyCommand extends Verb {
  @Mixin private LedgerOptions ledger;

  @Option(
      names = "--head",
      paramLabel = "COUNT:HASH",
      converter = HeadConverter.class,
      description = "The ledger's head in a published statement: the ledger must still hold it.")
  private LedgerHead head;

  @Override
  public Integer call() {
    ledger.requireExisting();
    Ledger.Verification found =
        head == null
            ? Ledger.verify(ledger.directory(), ledger.dataSet())
            : Ledger.verify(ledger.directory(), ledger.dataSet(), head);
    String state = found.state().name().toLowerCase(Locale.ROOT);
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("state", state);
    fields.put("records", found.records());
    found.problem().ifPresent(problem -> fields.put("problem", problem));
    print(
        fields,
        found
            .problem()
            .map(problem -> state + ": " + problem)
            .orElse("intact: " + found.records() + " records"));
    return found.state() == Ledger.State.BROKEN ? ExitCode.REFUSED : ExitCode.DONE;
  }

  static final class HeadConverter implements ITypeConverter<LedgerHead> {
    @Override
    public LedgerHead convert(String text) {
      String[] parts = text.split(":", 2);
      try {
        return new LedgerHead(Long.parseLong(parts[0]), parts[parts.length - 1]);
      } catch (IllegalArgumentException _) {
        throw new TypeConversionException(
            "'" + text + "' is not a count, a colon and 64 hexadecimal digits");
      }
    }
  }
}
