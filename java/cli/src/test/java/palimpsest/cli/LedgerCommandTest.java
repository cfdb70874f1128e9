package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerHead;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.StateFolder;

class LedgerCommandTest {
  @TempDir private Path folder;
  private Path state;
  private Path ledgers;
  private LedgerHead head;

  @BeforeEach
  void openAnAccount() {
    state = folder.resolve("state");
    ledgers = StateFolder.ledgers(state);
    try (Ledger ledger =
        Ledger.create(ledgers, "tickets", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      ledger.setCap(8, 1e-5);
      head = ledger.head();
    }
  }

  private CommandLineRun ledger(String... args) {
    return CommandLineRun.of(
        Stream.concat(
                Stream.concat(Stream.of("ledger"), Stream.of(args)),
                Stream.of("--state", state.toString()))
            .toArray(String[]::new));
  }

  private Path file() throws IOException {
    try (Stream<Path> files = Files.list(ledgers)) {
      return files
          .filter(f -> f.toString().endsWith(".jsonl") || f.toString().endsWith(".ledger"))
          .findFirst()
          .orElseThrow();
    }
  }

  @Test
  void showTellsTheAccountItsCapAndItsTotal() throws IOException {
    CommandLineRun run = ledger("show", "tickets");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals(
        "tickets, by record, add-remove neighbours\n"
            + "spent: epsilon 0 at delta 1.0E-5; the owner's cap is 8 at delta 1.0E-5\n",
        run.out());
    JsonNode json = new ObjectMapper().readTree(ledger("show", "tickets", "--json").out());
    assertEquals(0, json.get("epsilon").asDouble());
    assertEquals(8, json.get("cap").get("epsilon").asDouble());
    assertEquals(0, json.get("runs").size());
  }

  @Test
  void anIntactLedgerIsVerifiedAlsoAgainstAPublishedHead() {
    CommandLineRun run = ledger("verify", "tickets");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("intact: 2 records\n", run.out());
    String published = head.count() + ":" + head.hash();
    assertEquals(ExitCode.DONE, ledger("verify", "tickets", "--head", published).exitCode());
    CommandLineRun other = ledger("verify", "tickets", "--head", "2:" + "0".repeat(64));
    assertEquals(ExitCode.REFUSED, other.exitCode());
    assertTrue(other.out().startsWith("broken: "), other.out());
  }

  @Test
  void aChangedLedgerIsRefused() throws IOException {
    String content = Files.readString(file());
    Files.writeString(file(), content.replace("0x1.0p3", "0x1.0p4"));
    assertTrue(!content.equals(Files.readString(file())), content);
    CommandLineRun verified = ledger("verify", "tickets");
    assertEquals(ExitCode.REFUSED, verified.exitCode());
    assertTrue(verified.out().startsWith("broken: "), verified.out());
    CommandLineRun shown = ledger("show", "tickets");
    assertEquals(ExitCode.REFUSED, shown.exitCode());
    assertEquals(1, shown.err().lines().count(), shown.err());
  }

  @Test
  void aHalfWrittenLineIsRepaired() throws IOException {
    Files.writeString(file(), "{\"half", StandardOpenOption.APPEND);
    assertTrue(ledger("verify", "tickets").out().startsWith("torn: "));
    assertEquals("a half-written line was cut\n", ledger("repair", "tickets").out());
    assertTrue(ledger("verify", "tickets").out().startsWith("intact: 3 records"));
    assertEquals("nothing to repair: the ledger is whole\n", ledger("repair", "tickets").out());
  }

  @Test
  void anUnknownNameAndAWrongHeadAreBadInput() {
    for (String verb : new String[] {"show", "verify", "repair"}) {
      CommandLineRun run = ledger(verb, "tickts");
      assertEquals(ExitCode.BAD_INPUT, run.exitCode(), run.err());
      assertTrue(run.err().contains("tickts"), run.err());
    }
    assertEquals(ExitCode.BAD_INPUT, ledger("verify", "tickets", "--head", "nonsense").exitCode());
    assertEquals(ExitCode.BAD_INPUT, ledger("show", "tickets", "--delta", "0").exitCode());
    assertEquals(ExitCode.BAD_INPUT, CommandLineRun.of("ledger").exitCode());
  }

  @Test
  void theOwnerAloneRaisesTheCap() {
    CommandLineRun run = ledger("cap", "tickets", "--epsilon", "12", "--delta", "1e-5");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(ledger("show", "tickets").out().contains("cap is 12"));
    CommandLineRun endless = ledger("cap", "tickets", "--epsilon", "Infinity", "--delta", "1e-5");
    assertEquals(ExitCode.BAD_INPUT, endless.exitCode());
  }
}
