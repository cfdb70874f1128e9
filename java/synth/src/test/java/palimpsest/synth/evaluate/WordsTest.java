package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class WordsTest {
  private static final Pattern WORD =
      Pattern.compile("[\\p{L}\\p{M}\\p{N}]+(?:['\\u2019][\\p{L}\\p{M}\\p{N}]+)*|[^\\s]");

  @Test
  void wordsAreLowerCasedAndSignsStandAlone() {
    assertEquals(
        List.of("don't", "stop", ",", "it’s", "5", ".", "00", "€", "'", "quoted", "'"),
        Words.of("Don't STOP, it’s 5.00€\t'quoted'"));
    assertEquals(List.of("a b", "b c"), Words.grams(List.of("a", "b", "c"), 2));
  }

  @Test
  void theScannerAgreesWithTheExpressionItStandsFor() {
    Random random = new Random(6);
    String likely = "aB'\u2019 \t\u000b\n\u00e9\u0301\u4e2d5.\ud83d\ude00''";
    for (int round = 0; round < 5000; round++) {
      StringBuilder text = new StringBuilder();
      int length = random.nextInt(40);
      for (int i = 0; i < length; i++) {
        text.append(
            random.nextInt(5) > 0
                ? likely.charAt(random.nextInt(likely.length()))
                : (char) random.nextInt(0x10000));
      }
      List<String> expected = new ArrayList<>();
      Matcher matcher = WORD.matcher(text.toString().toLowerCase(Locale.ROOT));
      while (matcher.find()) {
        expected.add(matcher.group());
      }
      assertEquals(expected, Words.of(text.toString()));
    }
  }

  /** An expression with a loop in it runs out of stack on such a text. */
  @Test
  void aWordMayHaveAnyNumberOfParts() {
    assertEquals(List.of("a'".repeat(100_000) + "a"), Words.of("a'".repeat(100_000) + "A"));
  }
}
