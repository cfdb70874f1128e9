package palimpsest.privacy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import palimpsest.testing.FuzzFormat;
import palimpsest.testing.FuzzTests;

/** A ledger's lines and its head: the account's own files, damaged or forged. */
class LedgerFuzzTest extends FuzzTests {
  private static final String NAME = "visits";
  private static final String RUN = "5ec4e7a0b1c2d3f4";
  private static final String KEY = "f00dfeedfacebead";
  private static final String CODE = "0badc0dedecade00".repeat(4);
  private static final String WHAT = "marker-of-a-release";
  private static final List<String> SECRETS = List.of(RUN, KEY, CODE, WHAT);

  private static final MechanismSpec SPEC =
      MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 0.1, 100, 10_000, 5, 1e-6);
  private static final List<LedgerRecord> RECORDS =
      List.of(
          new LedgerRecord.Genesis(NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE),
          new LedgerRecord.Cap(8, 1e-6),
          new LedgerRecord.FileSeen(CODE),
          new LedgerRecord.RunStart(RUN, KEY, false, RunTerms.of(SPEC)),
          start("1", new ClipRule.PerLayer()),
          start("2", new ClipRule.Automatic(0.01)),
          start("3", new ClipRule.Quantile(0.5, 0.2, OptionalDouble.of(20))),
          new LedgerRecord.Step(RUN, 0),
          new LedgerRecord.Step(RUN, 1),
          new LedgerRecord.RunEnd(RUN),
          new LedgerRecord.Repair(17),
          new LedgerRecord.Release(RUN, WHAT, new PrivacyEvent.Gaussian(0.7, 2)),
          new LedgerRecord.Release(RUN, "size", new PrivacyEvent.DiscreteLaplace(0.01, 1)));

  /** Of a run that clips otherwise. */
  private static LedgerRecord start(String digit, ClipRule rule) {
    return new LedgerRecord.RunStart(
        digit.repeat(16), digit.repeat(16), false, RunTerms.of(SPEC.withClipRule(rule)));
  }

  private final Path state;
  private final LedgerStore store;

  LedgerFuzzTest() throws IOException {
    state = folder.resolve("state");
    Ledger.create(state, NAME, ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE).close();
    store = new LedgerStore(state, NAME);
  }

  @Override
  protected List<FuzzFormat> formats() throws IOException {
    String records =
        RECORDS.stream()
            .map(record -> FlatJson.write(LedgerCodec.fields(record)))
            .collect(Collectors.joining("\n"));
    Chain chain = chain(records);
    Files.write(lines(), chain.lines);
    store.writeHead(chain.head);
    byte[] head = Files.readAllBytes(head());
    return List.of(
        FuzzFormat.of("ledger-lines", file -> read(file, head), LedgerException.class)
            .hiding(SECRETS)
            .from(chain.lines),
        FuzzFormat.of("ledger-head", file -> read(chain.lines, file), LedgerException.class)
            .hiding(SECRETS)
            .from(head),
        FuzzFormat.of("ledger-records", this::forge, LedgerException.class)
            .hiding(SECRETS)
            .from(records));
  }

  private Path lines() {
    return state.resolve(NAME + ".ledger");
  }

  private Path head() {
    return state.resolve(NAME + ".head");
  }

  /**
   * @param lines with numbers and hashes
   * @param head their end
   */
  private record Chain(byte[] lines, LedgerHead head) {}

  /** Lines whose hashes are right, whatever they hold, so that what they hold is looked at. */
  private Chain chain(String records) {
    LedgerSecret secret = store.secret();
    StringBuilder lines = new StringBuilder();
    String hash = LedgerChain.ORIGIN;
    int count = 0;
    for (String record : records.split("\n")) {
      String fields = record.length() < 2 ? "" : record.substring(1, record.length() - 1);
      String body = "{\"number\":%d,%s".formatted(count++, fields);
      hash =
          secret.code(
              "line ",
              HexFormat.of().parseHex(hash),
              (body + "}").getBytes(StandardCharsets.ISO_8859_1));
      lines.append(body).append(",\"hash\":\"").append(hash).append("\"}\n");
    }
    return new Chain(
        lines.toString().getBytes(StandardCharsets.ISO_8859_1), new LedgerHead(count, hash));
  }

  private Object forge(byte[] file) throws IOException {
    Chain chain = chain(new String(file, StandardCharsets.ISO_8859_1));
    store.writeHead(chain.head);
    return read(chain.lines, Files.readAllBytes(head()));
  }

  private Object read(byte[] lines, byte[] head) throws IOException {
    Files.write(lines(), lines);
    Files.write(head(), head);
    Ledger.Verification found = Ledger.verify(state, NAME);
    Ledger.accountThatSaw(state, new byte[32]);
    boolean broken = found.state() == Ledger.State.BROKEN;
    try {
      Ledger.events(Ledger.read(state, NAME));
    } catch (LedgerException e) {
      if (!broken) {
        throw new AssertionError("verified, and then refused", e);
      }
      throw e;
    }
    if (broken) {
      throw new AssertionError("read, though it is broken");
    }
    return found;
  }
}
