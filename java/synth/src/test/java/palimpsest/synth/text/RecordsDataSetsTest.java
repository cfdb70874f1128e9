package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import palimpsest.testing.Shared;

/** The published data sets, each with its own quirks, give their published counts. */
class RecordsDataSetsTest {
  private static int[] counts(Records records, Labels labels) {
    int[] counts = new int[labels.size()];
    IntStream.range(0, records.size()).forEach(i -> counts[records.label(i)]++);
    return counts;
  }

  @Test
  void imdbHasHalfOfEachAndTabsInTexts() {
    Path path = Shared.file("data/labelled/imdb/train.tsv.gz");
    RecordOptions options = RecordOptions.of(List.of("text"), "label");
    Labels labels = Labels.of(List.of("neg", "pos"));
    Records records = Records.read(path, options, labels);
    assertArrayEquals(new int[] {12_500, 12_500}, counts(records, labels));
    long withTab =
        IntStream.range(0, records.size())
            .filter(i -> Utf8.decode(records.text(i)).indexOf('\t') >= 0)
            .count();
    assertTrue(withTab > 0);
    assertEquals(List.of(), Records.check(path, options, labels).problems());
  }

  @Test
  void agNewsJoinsTitleAndDescription() {
    Labels labels = Labels.of(List.of("1", "2", "3", "4"));
    Path test = Shared.file("data/labelled/agnews/test.csv.gz");
    RecordOptions numbered = RecordOptions.of(List.of("2", "3"), "1").withHeader(false);
    Records records = Records.read(test, numbered, labels);
    assertArrayEquals(new int[] {1900, 1900, 1900, 1900}, counts(records, labels));
    assertTrue(
        Utf8.decode(records.text(0))
            .startsWith("Fears for T N pension after talks Unions representing workers"));
    Path train = Shared.file("data/labelled/agnews/train_20k.csv.gz");
    RecordOptions named = RecordOptions.of(List.of("title", "description"), "class_index");
    assertArrayEquals(
        new int[] {5000, 5000, 5000, 5000}, counts(Records.read(train, named, labels), labels));
  }

  @Test
  void trecKeepsCoarseLabelsAndRepairsLatin1() {
    Path path = Shared.file("data/labelled/trec/TREC.train.txt.gz");
    Labels labels = Labels.of(List.of("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"));
    RecordOptions options = RecordOptions.labelLines().withLabelUntil(":");
    Records records = Records.read(path, options, labels);
    assertEquals(5452, records.size());
    assertEquals(86, counts(records, labels)[0]);
    assertEquals(labels.names(), Labels.fromData(path, options).names());
    List<Problem> problems = Records.check(path, options, labels).problems();
    assertTrue(!problems.isEmpty());
    assertTrue(problems.stream().allMatch(p -> p.kind() == Problem.Kind.BROKEN_ENCODING));
  }

  @Test
  void theOtherSetsReadInFull() {
    RecordOptions textFirst = RecordOptions.of(List.of("1"), "2").withHeader(false);
    RecordOptions labelFirst = RecordOptions.of(List.of("2"), "1").withHeader(false);
    expect(6920, "sst2/train.tsv.gz", textFirst, Labels.of(List.of("0", "1")));
    Labels ham = Labels.of(List.of("ham", "spam"));
    Records sms = Records.read(Shared.file("data/labelled/sms_spam/sms.tsv.gz"), labelFirst, ham);
    assertArrayEquals(new int[] {4827, 747}, counts(sms, ham));
    expectOfData(
        10_003, 77, "banking77/train.csv.gz", RecordOptions.of(List.of("text"), "category"));
    expectOfData(
        6480, 27, "bitext_support/train.csv.gz", RecordOptions.of(List.of("utterance"), "intent"));
    expectOfData(
        1201,
        20,
        "mts_dialog/train.csv.gz",
        RecordOptions.of(List.of("dialogue"), "section_header"));
    expectOfData(5000, 10, "yelp/dev.csv.gz", RecordOptions.of(List.of("text"), "label1"));
  }

  private static void expectOfData(int records, int labels, String name, RecordOptions options) {
    Labels found = Labels.fromData(Shared.file("data/labelled/" + name), options);
    assertEquals(labels, found.size(), name);
    expect(records, name, options, found);
  }

  private static void expect(int count, String name, RecordOptions options, Labels labels) {
    Path path = Shared.file("data/labelled/" + name);
    assertEquals(count, Records.read(path, options, labels).size(), name);
  }
}
