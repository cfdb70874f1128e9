package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import palimpsest.testing.FullTests;

class SuffixArrayTest {

  private static int[] ids(String text) {
    return text.chars().toArray();
  }

  private static SuffixArray index(String... records) {
    return new SuffixArray(Arrays.stream(records).map(SuffixArrayTest::ids).toList());
  }

  private static int[] bruteForce(List<int[]> records, int[] text) {
    return IntStream.range(0, text.length).map(from -> longest(records, text, from)).toArray();
  }

  private static int longest(List<int[]> records, int[] text, int from) {
    int longest = 0;
    for (int[] record : records) {
      for (int at = 0; at < record.length; at++) {
        int common = Arrays.mismatch(text, from, text.length, record, at, record.length);
        longest =
            Math.max(
                longest, common < 0 ? Math.min(text.length - from, record.length - at) : common);
      }
    }
    return longest;
  }

  @Test
  void runsByHand() {
    SuffixArray index = index("the cat sat", "on the mat");
    assertEquals(8, index.longestSharedRun(ids("a cat satin")), "' cat sat'");
    assertArrayEquals(new int[] {3, 2, 1}, index.matchingStatistics(ids("mat")));
    assertArrayEquals(new int[] {2, 1, 0, 3, 2, 1}, index.matchingStatistics(ids("he#mat")));
    assertEquals(0, index.longestSharedRun(ids("###")));
  }

  @Test
  void noRunCrossesTheEndOfARecord() {
    SuffixArray index = index("abc", "def");
    assertEquals(3, index.longestSharedRun(ids("abcdef")));
    assertEquals(2, index.longestSharedRun(ids("cdea")));
    assertEquals(1, index("a", "a", "a").longestSharedRun(ids("aaa")));
  }

  /** Of the letters one more than the alphabet has ends a record. */
  @Property
  void findsWhatComparingEverythingFinds(
      @ForAll @Size(max = 60) int[] anyRecords,
      @ForAll @Size(max = 12) int[] anyText,
      @ForAll @IntRange(min = 1, max = 4) int alphabet) {
    List<int[]> records = cut(reduced(anyRecords, alphabet + 1), alphabet);
    int[] text = reduced(anyText, alphabet);
    SuffixArray index = new SuffixArray(records);
    assertArrayEquals(bruteForce(records, text), index.matchingStatistics(text));
    int[][] shared = index.sharedWithOthers();
    assertEquals(records.size(), shared.length);
    for (int i = 0; i < shared.length; i++) {
      int own = i;
      List<int[]> others =
          IntStream.range(0, records.size())
              .filter(other -> other != own)
              .mapToObj(records::get)
              .toList();
      assertArrayEquals(bruteForce(others, records.get(i)), shared[i]);
    }
  }

  private static int[] reduced(int[] any, int alphabet) {
    return Arrays.stream(any).map(x -> Math.floorMod(x, alphabet)).toArray();
  }

  private static List<int[]> cut(int[] letters, int end) {
    List<int[]> records = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < letters.length; i++) {
      if (letters[i] == end) {
        records.add(Arrays.copyOfRange(letters, start, i));
        start = i + 1;
      }
    }
    return records;
  }

  /** Within one record a run may stand as often as it likes. */
  @Test
  void aRecordSharesNothingWithItself() {
    assertArrayEquals(new int[][] {{0, 0, 0, 0}}, index("abab").sharedWithOthers());
    assertArrayEquals(
        new int[][] {{2, 1, 2, 1}, {0, 2, 1}}, index("abab", "xab").sharedWithOthers());
  }

  @Test
  void edges() {
    SuffixArray nothing = new SuffixArray(List.of());
    assertEquals(0, nothing.longestSharedRun(ids("abc")));
    assertEquals(0, nothing.sharedWithOthers().length);
    SuffixArray empty = index("", "");
    assertEquals(0, empty.longestSharedRun(ids("abc")));
    assertArrayEquals(new int[][] {{}, {}}, empty.sharedWithOthers());
    assertEquals(0, index("abc").longestSharedRun(new int[0]));
  }

  @Test
  void refusesWhatIsNoToken() {
    for (int token : new int[] {-1, SuffixArray.TOKEN_LIMIT}) {
      assertThrows(
          IllegalArgumentException.class, () -> new SuffixArray(List.of(new int[] {7, token})));
    }
    int largest = SuffixArray.TOKEN_LIMIT - 1;
    SuffixArray index = new SuffixArray(List.of(new int[] {largest}));
    assertEquals(1, index.longestSharedRun(new int[] {largest}));
    assertEquals(0, index.longestSharedRun(new int[] {Integer.MAX_VALUE}));
    assertThrows(IllegalArgumentException.class, () -> index.matchingStatistics(new int[] {-1}));
  }

  /** What was planted is found, and nothing longer: tokens are too many for chance. */
  @Test
  void findsAPlantedRunInALargeSet() {
    Random random = new Random(3);
    int records = (int) FullTests.size(2_000, 100_000);
    List<int[]> set =
        IntStream.range(0, records).mapToObj(_ -> random.ints(100, 0, 50_000).toArray()).toList();
    SuffixArray index = new SuffixArray(set);
    for (int length : new int[] {10, 50, 100}) {
      int[] text = random.ints(300, 0, 50_000).toArray();
      System.arraycopy(set.get(random.nextInt(records)), 100 - length, text, 70, length);
      assertEquals(length, index.longestSharedRun(text));
      assertEquals(length, index.matchingStatistics(text)[70]);
    }
  }
}
