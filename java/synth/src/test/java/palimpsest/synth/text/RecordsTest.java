package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecordsTest {
  private static final RecordOptions TEXT_LABEL = RecordOptions.of(List.of("text"), "label");
  private static final RecordOptions NUMBERED =
      RecordOptions.of(List.of("2"), "1").withHeader(false);
  private static final Labels AB = Labels.of(List.of("a", "b"));

  @TempDir Path folder;

  private Path file(String name, String content) throws IOException {
    return file(name, content.getBytes(StandardCharsets.UTF_8));
  }

  private Path file(String name, byte[] content) throws IOException {
    return Files.write(folder.resolve(name), content);
  }

  private static byte[] gzip(byte[] content) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
      gzip.write(content);
    }
    return out.toByteArray();
  }

  private static List<String> lines(Records records) {
    return IntStream.range(0, records.size())
        .mapToObj(i -> records.label(i) + ":" + Utf8.decode(records.text(i)))
        .toList();
  }

  private static List<String> kinds(List<Problem> problems) {
    return problems.stream().map(problem -> problem.line() + " " + problem.kind()).toList();
  }

  @Test
  void readsCsvWithQuotesAndLineEndsInside() throws IOException {
    Path csv =
        file(
            "d.csv",
            "\uFEFFlabel,id,text\r\na,1,\"one, \"\"two\"\"\r\nthree\"\r\n\r\nb,2,plain \"quote\"\r\n"
                + "a,3,last");
    Records records = Records.read(csv, TEXT_LABEL, AB);
    assertEquals(List.of("0:one, \"two\"\r\nthree", "1:plain \"quote\"", "0:last"), lines(records));
    assertEquals(List.of("2 SEVERAL_LINES"), kinds(Records.check(csv, TEXT_LABEL, AB).problems()));
  }

  @Test
  void joinsTextColumnsWithASpace() throws IOException {
    Path csv = file("d.csv", "class,title,body\na,T,B\na,,B\na,T,\n");
    Records records = Records.read(csv, RecordOptions.of(List.of("title", "body"), "class"), AB);
    assertEquals(List.of("0:T B", "0:B", "0:T"), lines(records));
  }

  @Test
  void theLastTsvColumnTakesTheRest() throws IOException {
    Path tsv = file("d.tsv", "label\tid\ttext\na\t1\tx\ty\"z\n");
    assertEquals(List.of("0:x\ty\"z"), lines(Records.read(tsv, TEXT_LABEL, AB)));
    Path plain = file("e.tsv", "a\tone\ttwo\n");
    assertEquals(List.of("0:one\ttwo"), lines(Records.read(plain, NUMBERED, AB)));
  }

  @Test
  void readsJsonLines() throws IOException {
    Path jsonl =
        file(
            "d.jsonl",
            """
            {"text":"one\\u0000 \\ud83d\\ude00","label":"a","more":{"text":"no"}}
            {"label":"b","text":"\\ud800 lone"}
            {"text":"x","label":true}
            {"text":null,"label":"a"}
            {"text":["x"],"label":"a"}
            {"label":"a"}
            [1]
            {"text":"cut
            {"text":"x","label":"a"} {"text":"y","label":"a"}
            """);
    assertEquals(
        List.of("0:one \uD83D\uDE00", "1:\uFFFD lone"), lines(Records.read(jsonl, TEXT_LABEL, AB)));
    assertEquals(
        List.of(
            "1 NUL_CHARACTER",
            "3 UNKNOWN_LABEL",
            "4 MISSING_COLUMN",
            "5 MISSING_COLUMN",
            "6 MISSING_COLUMN",
            "7 BAD_JSON",
            "8 BAD_JSON",
            "9 BAD_JSON"),
        kinds(Records.check(jsonl, TEXT_LABEL, AB).problems()));
  }

  @Test
  void readsLabelLinesUpToAMark() throws IOException {
    Path lines = file("d.txt", "LOC:city What county ?\nNUM:dist How far ?\nLOC\n");
    Labels labels = Labels.of(List.of("LOC", "NUM"));
    RecordOptions options = RecordOptions.labelLines().withLabelUntil(":");
    assertEquals(
        List.of("0:What county ?", "1:How far ?"), lines(Records.read(lines, options, labels)));
    assertEquals(
        List.of("3 MISSING_COLUMN"), kinds(Records.check(lines, options, labels).problems()));
  }

  @Test
  void repairsAndDropsByFixedRules() throws IOException {
    byte[] bytes =
        "a\tgood\na\tbro\u00FFken\nc\tstranger\na\t \nb\nb\tnul\u0000!\n"
            .getBytes(StandardCharsets.ISO_8859_1);
    Path tsv = file("d.tsv", bytes);
    assertEquals(
        List.of("0:good", "0:bro\uFFFDken", "1:nul!"), lines(Records.read(tsv, NUMBERED, AB)));
    assertEquals(
        List.of(
            "2 BROKEN_ENCODING",
            "3 UNKNOWN_LABEL",
            "4 EMPTY_TEXT",
            "5 MISSING_COLUMN",
            "6 NUL_CHARACTER"),
        kinds(Records.check(tsv, NUMBERED, AB).problems()));
    RecordOptions latin = NUMBERED.withCharset(StandardCharsets.ISO_8859_1);
    assertEquals("0:bro\u00FFken", lines(Records.read(tsv, latin, AB)).get(1));
  }

  @Test
  void overLongRowsAreCutAndStayOneRecord() throws IOException {
    RecordOptions.Limits limits = new RecordOptions.Limits(1 << 20, 20, 0.5, 0);
    String inner = "a,planted\n".repeat(30);
    Path csv = file("d.csv", "label,text\na,\"" + inner + "\"\nb,next\n");
    Records records = Records.read(csv, TEXT_LABEL.withLimits(limits), AB);
    assertEquals(List.of("0:a,planted\na,plant", "1:next"), lines(records));
    assertEquals(
        List.of("2 SEVERAL_LINES", "2 LONG_LINE"),
        kinds(Records.check(csv, TEXT_LABEL.withLimits(limits), AB).problems()));
    Path tsv = file("d.tsv", "a\t" + "x".repeat(200_000) + "\nb\tnext\n");
    assertEquals(
        List.of("0:" + "x".repeat(18), "1:next"),
        lines(Records.read(tsv, NUMBERED.withLimits(limits), AB)));
  }

  @Test
  void anUnclosedQuoteIsSeenByItsOwner() throws IOException {
    Path csv = file("d.csv", "label,text\na,ok\na,\"never closed\nb,lost\n");
    assertEquals(List.of("0:ok"), lines(Records.read(csv, TEXT_LABEL, AB)));
    assertEquals(List.of("3 UNCLOSED_QUOTE"), kinds(Records.check(csv, TEXT_LABEL, AB).problems()));
  }

  /** Else the second person's text would be the first one's, and nobody would be told. */
  @Test
  void aRowWithTextAfterAClosingQuoteIsDroppedAndSeenByItsOwner() throws IOException {
    Path csv =
        file(
            "d.csv",
            "who,text\nann,\"hello there\nbob,\"my secret is 42\"\nbob,next\neve,\"one\"two\n"
                + "eve,\"one\" \"two\"\n\"eve\"x,three\neve,\"a\"\r\"b\"\n");
    RecordOptions byUser = TEXT.withUser("who", 5);
    assertEquals(List.of("0:next"), lines(Records.read(csv, byUser, Labels.single())));
    assertEquals(
        List.of(
            "2 TEXT_AFTER_QUOTE",
            "5 TEXT_AFTER_QUOTE",
            "6 TEXT_AFTER_QUOTE",
            "7 TEXT_AFTER_QUOTE",
            "8 TEXT_AFTER_QUOTE"),
        kinds(Records.check(csv, byUser, Labels.single()).problems()));
  }

  @Test
  void quotesThatAreInOrderAreNoProblem() throws IOException {
    Path csv =
        file(
            "d.csv",
            "\uFEFF\"a,\"\"b\" ,\"x\"\t\r\n\"a,\"\"b\",\"\"\"x\"\"\"\n\"a,\"\"b\",y\"z\" \"\n");
    Labels labels = Labels.of(List.of("a,\"b"));
    assertEquals(
        List.of("0:x", "0:\"x\"", "0:y\"z\" \""), lines(Records.read(csv, NUMBERED, labels)));
    assertEquals(List.of(), Records.check(csv, NUMBERED, labels).problems());
  }

  /** It may be as its writer meant it, or two people's rows that a missing quote made one. */
  @Test
  void aFieldOfSeveralLinesIsUsedAndSeenByItsOwner() throws IOException {
    Path csv = file("d.csv", "who,\"text\n\"\nann,\"hello\nbob,secret\"\nbob,next\n");
    RecordOptions byUser = TEXT.withUser("who", 1);
    assertEquals(
        List.of("0:hello\nbob,secret", "0:next"),
        lines(Records.read(csv, byUser, Labels.single())));
    Records.Findings findings = Records.check(csv, byUser, Labels.single());
    assertEquals(List.of("1 SEVERAL_LINES", "3 SEVERAL_LINES"), kinds(findings.problems()));
    assertFalse(findings.problems().getLast().kind().drops());
  }

  /** The ledger keeps it. */
  @Test
  void theNameOfTheColumnOfPeopleIsShort() {
    TEXT.withUser("x".repeat(200), 1);
    assertThrows(InputException.class, () -> TEXT.withUser("x".repeat(201), 1));
  }

  /** A number means others once columns are moved, and so do two columns of one name. */
  @Test
  void underAHeaderPeopleAreInTheOneColumnOfThatName() throws IOException {
    for (String format : List.of("d.csv", "d.tsv")) {
      String row = format.equals("d.csv") ? "%s,%s,%s\n" : "%s\t%s\t%s\n";
      Path one =
          file(
              format,
              row.formatted("text", "3", "who")
                  + row.formatted("x", "a", "b")
                  + row.formatted("y", "a", "c"));
      for (String number : List.of("1", "2")) {
        assertRefused(one, number, "no column '" + number + "'; give --user its name");
      }
      assertEquals(1, Records.read(one, TEXT.withUser("3", 1), Labels.single()).size());
      assertEquals(2, Records.read(one, TEXT.withUser("who", 1), Labels.single()).size());
      Path two = file("two-" + format, row.formatted("text", "who", "who"));
      assertRefused(two, "who", "2 columns 'who'");
    }
  }

  /**
   * What follows the last column is text, where it is of text, and nothing where it is of people.
   */
  @Test
  void surplusColumnsMakeNobodyAnother() throws IOException {
    Path tsv = file("d.tsv", "text\twho\nx\tann\ny\tann\tmore\nz\tann\t\nw\tbob\n");
    assertEquals(
        List.of("0:x", "0:w"), lines(Records.read(tsv, TEXT.withUser("who", 1), Labels.single())));
    Path text = file("e.tsv", "who\ttext\nann\tx\ty\n");
    assertEquals(
        List.of("0:x\ty"), lines(Records.read(text, TEXT.withUser("who", 1), Labels.single())));
  }

  @Test
  void withoutAHeaderPeopleAreKnownByTheirColumnAlone() throws IOException {
    RecordOptions options = RecordOptions.of(List.of("1"), null).withHeader(false).withUser("2", 1);
    for (String rows : List.of("x,a,b\ny,a,c\n", "x\ta\tb\ny\ta\tc\n")) {
      Path file = file(rows.contains(",") ? "d.csv" : "d.tsv", rows);
      assertEquals(1, Records.read(file, options, Labels.single()).size());
    }
  }

  private static void assertRefused(Path file, String user, String why) {
    RecordOptions options = TEXT.withUser(user, 1);
    String said =
        assertThrows(InputException.class, () -> Records.read(file, options, Labels.single()))
            .getMessage();
    assertTrue(said.contains(why), said);
  }

  @Test
  void aUserCountsAFixedNumberOfTimes() throws IOException {
    Path csv = file("d.csv", "label,text,who\na,1,x\na,2,y\nc,0,x\nb,3,x\na,4,x\nb,5,y\n");
    Records records = Records.read(csv, TEXT_LABEL.withUser("who", 2), AB);
    assertEquals(List.of("0:1", "0:2", "1:3", "1:5"), lines(records));
    assertEquals(
        List.of("4 UNKNOWN_LABEL", "6 OVER_USER_LIMIT"),
        kinds(Records.check(csv, TEXT_LABEL.withUser("who", 2), AB).problems()));
  }

  /** A count that went on would come round to a negative number after 2^31 rows, and admit more. */
  @Test
  void aPersonsRowsAreCountedNoFurtherThanPastTheLimit() {
    Map<String, Integer> counts = new HashMap<>();
    int admitted = 0;
    for (int row = 0; row < 1000; row++) {
      admitted += Records.admit(counts, "x", 3) ? 1 : 0;
    }
    assertEquals(3, admitted);
    assertEquals(4, counts.get("x"));
    assertFalse(Records.admit(new HashMap<>(Map.of("x", 4)), "x", 3));
  }

  @Test
  void recordsWhoseUserCannotBeToldAreDroppedRatherThanShareOnePersonsRoom() throws IOException {
    Path csv = folder.resolve("d.csv");
    byte[] text =
        "label,text,who\na,1,?\na,2,!\na,3,\na,4,  \na,5,x\n".getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < text.length; i++) {
      text[i] = text[i] == '?' ? (byte) 0xFF : text[i] == '!' ? (byte) 0xFE : text[i];
    }
    Files.write(csv, text);
    RecordOptions byUser = TEXT_LABEL.withUser("who", 2);
    assertEquals(List.of("0:5"), lines(Records.read(csv, byUser, AB)));
    assertEquals(
        List.of("2 NO_USER", "3 NO_USER", "4 NO_USER", "5 NO_USER"),
        kinds(Records.check(csv, byUser, AB).problems()).stream()
            .filter(k -> k.endsWith("USER"))
            .toList());
    Path jsonl =
        file(
            "d.jsonl",
            "{\"label\":\"a\",\"text\":\"t\",\"who\":\"\\ud800\"}\n{\"label\":\"a\",\"text\":\"t\",\"who\":\"y\"}\n");
    assertEquals(1, Records.read(jsonl, byUser, AB).size());
  }

  /** Two people stay two, whatever their names have in common. */
  @Test
  void peopleAreToldApartByTheWholeName() throws IOException {
    Path csv = file("d.csv", "label,text,who\na,1,Aa\na,2,BB\na,3,Aa\nb,4,aa\n");
    assertEquals("Aa".hashCode(), "BB".hashCode());
    assertEquals(
        List.of("0:1", "0:2", "1:4"), lines(Records.read(csv, TEXT_LABEL.withUser("who", 1), AB)));
  }

  /** What is left of a name that was cut may be another's, whose room it would take. */
  @Test
  void aRowThatWasCutIsDroppedWherePeopleAreCounted() throws IOException {
    String longText = "x".repeat(RecordOptions.Limits.DEFAULT.lineBytes() - 6);
    Path csv = file("d.csv", "label,text,who\na," + longText + ",alice\na,two,al\n");
    assertEquals(2, Records.read(csv, TEXT_LABEL, AB).size(), "cut and kept without people");
    assertEquals(List.of("0:two"), lines(Records.read(csv, TEXT_LABEL.withUser("who", 1), AB)));
    assertEquals(
        List.of("2 LONG_LINE", "2 NO_USER"),
        kinds(Records.check(csv, TEXT_LABEL.withUser("who", 1), AB).problems()));
  }

  /** A row is read in the same way when the rows before it are gone. */
  @Test
  void aByteOrderMarkIsDroppedFromAnyRow() throws IOException {
    String marked = "\uFEFFb\ttwo\n\uFEFFa\tthree\n";
    Path both = file("d.tsv", "a\tone\n" + marked);
    Path without = file("e.tsv", marked);
    assertEquals(List.of("0:one", "1:two", "0:three"), lines(Records.read(both, NUMBERED, AB)));
    assertEquals(List.of("1:two", "0:three"), lines(Records.read(without, NUMBERED, AB)));
  }

  @Test
  void aListMayStateWeights() throws IOException {
    Labels read = Labels.read(file("w.txt", "a\tthe first\t0.25\nb\t\t3\n"));
    assertEquals(0.25, read.weight(0));
    assertEquals(3, read.weight(1));
    assertEquals(Optional.empty(), read.description(1));
    assertEquals(1, Labels.of(List.of("a")).weight(0));
    for (String bad : List.of("a\tx\t0\n", "a\tx\tmany\n", "a\tx\t1\nb\n", "a\tx\tNaN\n")) {
      Path file = file("bad.txt", bad);
      assertThrows(InputException.class, () -> Labels.read(file), bad);
    }
  }

  @Test
  void labelsComeFromAListAFileOrByWaiverTheData() throws IOException {
    Path csv = file("d.csv", "label,text\nzeta,1\nalpha,2\nzeta,3\n,4\n");
    Labels found = Labels.fromData(csv, TEXT_LABEL);
    assertEquals(List.of("alpha", "zeta"), found.names());
    assertEquals(found.weight(0), found.weight(1), "not as frequent as in the data");
    Labels read = Labels.read(file("l.txt", "LOC\tthat asks about a place\r\n\r\nNUM\n"));
    assertEquals(List.of("LOC", "NUM"), read.names());
    assertEquals("that asks about a place", read.description(0).orElseThrow());
    assertTrue(read.description(1).isEmpty());
    assertThrows(InputException.class, () -> Labels.of(List.of("a", "a ")));
    assertThrows(InputException.class, () -> Labels.of(List.of()));
    assertThrows(InputException.class, () -> Labels.of(List.of("a\nb")));
    assertEquals(
        List.of("0:1", "0:2", "0:3", "0:4"),
        lines(Records.read(csv, RecordOptions.of(List.of("text"), null), Labels.single())));
  }

  @Test
  void fileErrorsAreOneClearLine() throws IOException {
    Path csv = file("d.csv", "label,text\na,secret words\n");
    refused("cannot be read", folder.resolve("none.csv"), TEXT_LABEL);
    refused("folder", folder, TEXT_LABEL);
    refused("no column 'body'", csv, RecordOptions.of(List.of("body"), "label"));
    refused("no column 3", csv, RecordOptions.of(List.of("3"), "label"));
    refused("no header", csv, TEXT_LABEL.withHeader(false));
    refused("is empty", file("e.csv", ""), TEXT_LABEL);
    refused("no record can be used", file("f.csv", "label,text\n\n"), TEXT_LABEL);
    refused("no record can be used", file("e.jsonl", ""), TEXT_LABEL);
    refused("cannot be unpacked", file("g.csv.gz", "label,text\na,x\n"), TEXT_LABEL);
    refused("cannot be unpacked", file("h.csv.GZ", ""), TEXT_LABEL);
    refused("format", file("g.dat", "label,text\na,x\n"), TEXT_LABEL);
    refused("zip or parquet", file("h.csv", "PK\u0003\u0004"), TEXT_LABEL);
    refused(
        "UTF-16", file("i.csv", "label,text\na,x".getBytes(StandardCharsets.UTF_16)), TEXT_LABEL);
    refused("add .gz", file("l.csv", gzip(new byte[] {1, 2})), TEXT_LABEL);
    refused("no record can be used", csv, TEXT_LABEL, Labels.of(List.of("z")));
    byte[] packed =
        gzip("label,text\na,secret words\n".repeat(99).getBytes(StandardCharsets.UTF_8));
    byte[] cut = Arrays.copyOf(packed, packed.length - 12);
    refused("cannot be unpacked", file("j.csv.gz", cut), TEXT_LABEL);
    packed[packed.length - 5] ^= 1;
    refused("cannot be unpacked", file("m.csv.gz", packed), TEXT_LABEL);
    RecordOptions.Limits small = new RecordOptions.Limits(10, 1 << 10, 0.5, 0);
    refused("over 10 bytes", csv, TEXT_LABEL.withLimits(small));
  }

  @Test
  void recordsThatFillTheirShareOfTheHeapAreReadAndNoMore() throws IOException {
    Path csv = file("d.csv", "label,text,who\na,four,me\na,five5,you\nc,of another label,me\n");
    RecordOptions byUser = TEXT_LABEL.withUser("who", 1);
    RecordOptions.Limits any = new RecordOptions.Limits(1 << 20, 1 << 10, 0.5, 10);
    double needed = any.bytes(4, 2) + any.bytes(5, 3);
    double all = Runtime.getRuntime().maxMemory();
    RecordOptions.Limits just =
        new RecordOptions.Limits(1 << 20, 1 << 10, (needed + 0.5) / all, 10);
    assertEquals(2, Records.read(csv, byUser.withLimits(just), AB).size());
    RecordOptions.Limits less =
        new RecordOptions.Limits(1 << 20, 1 << 10, (needed - 0.5) / all, 10);
    refused("room", csv, byUser.withLimits(less));
    refused("room", csv, byUser.withLimits(just).withMaxTokens(11));
  }

  /** What other kinds of file start with. */
  private static final List<String> MAGIC =
      List.of("PAR1\u0015", "PK\u0003\u0004", "\u00FF\u00FE", "\u00FE\u00FF", "\u001F\u008B");

  @Test
  void theFirstRecordsBytesDoNotSayWhatTheFileIs() throws IOException {
    RecordOptions textFirst = RecordOptions.of(List.of("1"), "2").withHeader(false);
    for (String magic : MAGIC) {
      byte[] rows = (magic + "x\ta\nnext\ta\n").getBytes(StandardCharsets.ISO_8859_1);
      for (Path tsv : List.of(file("d.tsv", rows), file("d.tsv.Gz", gzip(rows)))) {
        assertEquals(2, Records.read(tsv, textFirst, AB).size(), "a record like the others");
        assertTrue(Records.hint(tsv, textFirst).isPresent(), "its owner may be told");
      }
    }
    assertEquals(Optional.empty(), Records.hint(file("d.tsv", "PAR1\tx\n"), NUMBERED));
    assertEquals(Optional.empty(), Records.hint(file("e.tsv", "P"), NUMBERED));
  }

  private static void refused(String message, Path path, RecordOptions options) {
    refused(message, path, options, AB);
  }

  private static void refused(String message, Path path, RecordOptions options, Labels labels) {
    String text =
        assertThrows(InputException.class, () -> Records.read(path, options, labels)).getMessage();
    assertTrue(text.contains(message), text);
    assertFalse(text.contains("\n") || text.contains("secret"), text);
  }

  @Test
  void oneRecordThatPacksWellIsARecord() throws IOException {
    Path packed = folder.resolve("d.csv.gz");
    try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
      out.write("label,text\na,x\nb,".getBytes(StandardCharsets.UTF_8));
      byte[] same = "y".repeat(1 << 20).getBytes(StandardCharsets.UTF_8);
      for (int i = 0; i < 80; i++) {
        out.write(same);
      }
      out.write("\na,z\n".getBytes(StandardCharsets.UTF_8));
    }
    List<String> read = lines(Records.read(packed, TEXT_LABEL, AB));
    assertEquals(List.of("0:x", "0:z"), List.of(read.getFirst(), read.getLast()));
    assertEquals(1 << 20, read.get(1).length(), "cut like any long line");
    RecordOptions.Limits small = new RecordOptions.Limits(1 << 20, 1 << 10, 0.5, 0);
    refused("over 1048576 bytes", packed, TEXT_LABEL.withLimits(small));
  }

  @Test
  void printsNothingOfItsContent() throws IOException {
    Path csv = file("d.csv", "label,text\na,secret words\nb,more\n");
    Records records = Records.read(csv, TEXT_LABEL, AB);
    assertEquals("Records[private]", records.toString());
    records.erase();
    assertArrayEquals(new byte[12], records.text(0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"csv", "tsv", "jsonl", "txt", "csv.gz"})
  void mutatedFilesAreReadOrRefused(String extension) throws IOException {
    String json = "{\"label\":\"a\",\"text\":\"some \\u00e9 words\"}\n";
    String content =
        switch (extension) {
          case "jsonl" -> json.repeat(5);
          case "tsv" -> "label\ttext\n" + "a\tsome words\n".repeat(5);
          case "txt" -> "a some words\n".repeat(5);
          default -> "label,text\n" + "a,\"some, \"\"words\"\"\nover\"\nb,plain\n".repeat(5);
        };
    byte[] plain = content.getBytes(StandardCharsets.UTF_8);
    byte[] original = extension.endsWith("gz") ? gzip(plain) : plain;
    RecordOptions options =
        extension.equals("txt")
            ? RecordOptions.labelLines().withFormat(RecordOptions.Format.LABEL_LINES)
            : TEXT_LABEL;
    Random random = new Random(13);
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          for (int round = 0; round < 1500; round++) {
            Path path = file("m." + extension, Mutations.of(original, random));
            try {
              Records records = Records.read(path, options, AB);
              Records.check(path, options, AB);
              for (int i = 0; i < records.size(); i++) {
                assertTrue(records.text(i).length > 0 && Utf8.isValid(records.text(i)));
              }
            } catch (InputException refused) {
              assertFalse(refused.getMessage().contains("words"));
            }
          }
        });
  }

  /** Adding one well-formed row, whatever it holds, adds at most that one record. */
  @ParameterizedTest
  @EnumSource(RecordOptions.Format.class)
  void oneRowChangesOneRecord(RecordOptions.Format format) throws IOException {
    Random random = new Random(17);
    for (int round = 0; round < 400; round++) {
      List<byte[]> rows = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        rows.add(hostileRow(format, random));
      }
      List<String> without = read(format, rows);
      int at = random.nextInt(rows.size() + 1);
      List<byte[]> more = new ArrayList<>(rows);
      more.add(at, hostileRow(format, random));
      List<String> before = read(format, rows.subList(0, at));
      List<String> after = read(format, rows.subList(at, rows.size()));
      List<String> with = read(format, more);
      assertEquals(without, Stream.of(before, after).flatMap(List::stream).toList());
      assertEquals(before, with.subList(0, before.size()));
      assertEquals(after, with.subList(with.size() - after.size(), with.size()));
      assertTrue(with.size() <= without.size() + 1);
    }
  }

  private static final RecordOptions TEXT = RecordOptions.of(List.of("text"), null);

  /** The records of these rows behind one that can be used. */
  private List<String> read(RecordOptions.Format format, List<byte[]> rows) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    if (format == RecordOptions.Format.CSV || format == RecordOptions.Format.TSV) {
      String header = format == RecordOptions.Format.CSV ? "id,text\n" : "id\ttext\n";
      bytes.writeBytes(header.getBytes(StandardCharsets.UTF_8));
    }
    String usable =
        switch (format) {
          case CSV -> "a,usable";
          case TSV -> "a\tusable";
          case JSONL -> "{\"text\":\"usable\"}";
          case LABEL_LINES -> "a usable";
        };
    bytes.writeBytes(usable.getBytes(StandardCharsets.UTF_8));
    for (byte[] row : rows) {
      bytes.write('\n');
      bytes.writeBytes(row);
    }
    RecordOptions options =
        format == RecordOptions.Format.LABEL_LINES
            ? RecordOptions.labelLines()
            : TEXT.withFormat(format);
    Labels labels = format == RecordOptions.Format.LABEL_LINES ? AB : Labels.single();
    List<String> read = lines(Records.read(file("rows", bytes.toByteArray()), options, labels));
    return read.subList(1, read.size());
  }

  /** A row of the format with anything in it that does not end the row. */
  private static byte[] hostileRow(RecordOptions.Format format, Random random) {
    String row =
        switch (format) {
          case CSV -> "a,x\"\",\na,b\r\n\"q\"";
          case TSV -> "a\tx\"\",\ta b";
          case JSONL -> "{\"text\":\"x\\\"y\",\"id\":[1,{\"text\":2}],\"more\":0.5}";
          case LABEL_LINES -> "a x\"\",\ta b";
        };
    byte[] hostile = Mutations.of(row.getBytes(StandardCharsets.UTF_8), random);
    String text = new String(hostile, StandardCharsets.ISO_8859_1);
    String ended =
        format == RecordOptions.Format.CSV
            ? "a,\"" + text.replace("\"", "\"\"") + (random.nextInt(4) == 0 ? "\" \"b\"" : "\"")
            : text.replaceAll("[\r\n]", "");
    return ended.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void equalRecordsAllCount() throws IOException {
    Path csv = file("d.csv", "label,text\na,same\na,same\nb,other\na,same\n");
    assertEquals(
        List.of("0:same", "0:same", "1:other", "0:same"), lines(Records.read(csv, TEXT_LABEL, AB)));
  }

  /** Names of one hash, of which the parser would refuse more than it can tell apart quickly. */
  @Test
  void namesInOneRowDoNotReachAnother() throws IOException {
    List<byte[]> rows = new ArrayList<>();
    rows.add(rowOfNames(0, 149));
    for (int i = 0; i < 20; i++) {
      rows.add(rowOfNames(1000 + 300 * i, 152));
    }
    assertEquals(20, read(RecordOptions.Format.JSONL, rows.subList(1, 21)).size());
    assertEquals(21, read(RecordOptions.Format.JSONL, rows).size());
    assertEquals(21, read(RecordOptions.Format.JSONL, rows).size());
    assertEquals(1, read(RecordOptions.Format.JSONL, List.of(rowOfNames(0, 10_000))).size());
  }

  private static byte[] rowOfNames(int first, int count) {
    StringBuilder row = new StringBuilder("{\"text\":\"x\"");
    for (int name = first; name < first + count; name++) {
      row.append(",\"");
      for (int bit = 0; bit < 16; bit++) {
        row.append((name >> bit & 1) == 0 ? "Bb" : "CA");
      }
      row.append("\":1");
    }
    return row.append('}').toString().getBytes(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @ValueSource(strings = {"notes.csv", "notes.csv.gz"})
  void theDigestIsThatOfTheFileAsItLies(String name) throws Exception {
    Path file = folder.resolve(name);
    String text = "label,text\nred,one\n" + "blue,two\n".repeat(50_000);
    try (OutputStream out = Files.newOutputStream(file);
        OutputStream packed = name.endsWith(".gz") ? new GZIPOutputStream(out) : out) {
      packed.write(text.getBytes(StandardCharsets.UTF_8));
    }
    // What follows the last record, or the end of the packed data, is part of the file as well.
    Files.write(file, new byte[] {'\n', '\n'}, StandardOpenOption.APPEND);
    Records records =
        Records.read(
            file, RecordOptions.of(List.of("text"), "label"), Labels.of(List.of("red", "blue")));
    assertArrayEquals(
        MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)), records.digest());
  }

  @Test
  void whatCanBeReadOnlyOnceIsRefused() {
    Path device = Path.of("/dev/null");
    InputException refused =
        assertThrows(
            InputException.class,
            () ->
                Records.read(
                    device,
                    RecordOptions.of(List.of("2"), "1").withFormat(RecordOptions.Format.CSV),
                    Labels.of(List.of("red", "blue"))));
    assertTrue(refused.getMessage().contains("regular file"), refused.getMessage());
  }
}
