package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CopyingTest {
  private static int[] tokens(String text) {
    return text.isEmpty()
        ? new int[0]
        : Stream.of(text.strip().split("\\s+"))
            .mapToInt(w -> Integer.parseInt(w, 1, w.length(), 10))
            .toArray();
  }

  private static String numbered(int from, int to) {
    return IntStream.range(from, to).mapToObj(i -> "w" + i).collect(Collectors.joining(" "));
  }

  private static Copying compare(List<String> texts, List<String> reference) {
    return Copying.of(texts, reference, CopyingTest::tokens);
  }

  private static Proportion of(long successes, long trials) {
    return new Proportion(successes, trials);
  }

  @Test
  void byHand() {
    List<String> reference = List.of(numbered(0, 200), numbered(1000, 1040));
    Copying copying =
        compare(
            List.of(
                numbered(1000, 1040) + "\n",
                numbered(0, 195),
                numbered(50, 100) + " w5000 " + numbered(120, 180) + " w5001 " + numbered(0, 49),
                numbered(150, 200) + " " + numbered(1000, 1040),
                numbered(10, 59),
                numbered(6000, 6300)),
            reference);
    assertEquals(of(1, 6), copying.exact());
    assertEquals(of(2, 6), copying.near());
    assertEquals(of(3, 6), copying.withLongRun());
    assertEquals(4, copying.longRuns(), "one of 195 tokens, two of 50 and one of 60");
    assertEquals(195, copying.longestRun());
  }

  @Test
  void aRunOfFiftyTokensCountsAndOneOfFortyNineDoesNot() {
    List<String> reference = List.of(numbered(0, 100));
    assertEquals(of(1, 1), compare(List.of(numbered(7, 57)), reference).withLongRun());
    Copying shorter = compare(List.of(numbered(7, 56)), reference);
    assertEquals(of(0, 1), shorter.withLongRun());
    assertEquals(0, shorter.longRuns());
    assertEquals(49, shorter.longestRun());
  }

  /** Two records that overlap in the text make two runs, neither part of the other. */
  @Test
  void overlappingRunsCountEach() {
    List<String> reference = List.of(numbered(0, 70), numbered(30, 120));
    assertEquals(2, compare(List.of(numbered(0, 120)), reference).longRuns());
  }

  @Test
  void aSetThatRepeatsItself() {
    Copying copying =
        Copying.within(
            List.of(
                numbered(0, 100),
                numbered(0, 99),
                numbered(200, 240),
                numbered(200, 240) + " ",
                numbered(300, 400) + " " + numbered(300, 400),
                numbered(500, 520)),
            CopyingTest::tokens);
    assertEquals(of(2, 6), copying.exact());
    assertEquals(of(4, 6), copying.near());
    assertEquals(of(2, 6), copying.withLongRun());
    assertEquals(2, copying.longRuns());
    assertEquals(99, copying.longestRun());
  }

  @Test
  void aCollapsedSetIsAllCopies() {
    Copying copying = Copying.within(Collections.nCopies(30, numbered(0, 60)), CopyingTest::tokens);
    assertEquals(new Copying(of(30, 30), of(30, 30), of(30, 30), 30, 60), copying);
  }

  @Test
  void unrelatedTextsShareNothingLong() {
    Random random = new Random(5);
    List<String> texts =
        Stream.generate(() ->
                random.ints(80, 0, 1000).mapToObj(w -> "w" + w).collect(Collectors.joining(" ")))
            .limit(400)
            .toList();
    Copying copying = compare(texts.subList(0, 200), texts.subList(200, 400));
    assertEquals(of(0, 200), copying.near());
    assertEquals(0, copying.longRuns());
    assertTrue(copying.longestRun() >= 1 && copying.longestRun() < 5, copying.toString());
  }

  @Test
  void edges() {
    Copying none = new Copying(of(0, 0), of(0, 0), of(0, 0), 0, 0);
    assertEquals(none, compare(List.of(), List.of()));
    assertEquals(none, compare(List.of(), List.of(numbered(0, 60))));
    assertEquals(none, Copying.within(List.of(), CopyingTest::tokens));
    assertEquals(
        new Copying(of(0, 1), of(0, 1), of(0, 1), 0, 0),
        Copying.within(List.of(numbered(0, 60)), CopyingTest::tokens));
    assertEquals(
        new Copying(of(1, 1), of(1, 1), of(0, 1), 0, 0),
        compare(List.of(""), List.of("", numbered(0, 60))));
  }
}
