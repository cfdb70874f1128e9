package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LabelledTextsTest {
  private static LabelledTexts sorted(int size) {
    return new LabelledTexts(
        IntStream.range(0, size).mapToObj(i -> "text " + i).toList(),
        IntStream.range(0, size).mapToObj(i -> i < size / 2 ? "a" : "b").toList());
  }

  @Test
  void fewOfASortedFileAreFromAllOfIt() {
    LabelledTexts few = sorted(10).spread(4);
    assertEquals(List.of("text 0", "text 2", "text 5", "text 7"), few.texts());
    assertEquals(List.of("a", "a", "b", "b"), few.labels());
  }

  @Test
  void noneIsTakenTwice() {
    LabelledTexts all = sorted(7);
    assertEquals(all, all.spread(7));
    assertEquals(all, all.spread(100));
    assertEquals(6, all.spread(6).texts().stream().distinct().count());
  }
}
