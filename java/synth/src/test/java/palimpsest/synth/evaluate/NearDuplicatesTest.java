package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NearDuplicatesTest {

  private static double jaccard(Set<String> a, Set<String> b) {
    Set<String> union = new HashSet<>(a);
    union.addAll(b);
    Set<String> common = new HashSet<>(a);
    common.retainAll(b);
    return common.size() / (double) union.size();
  }

  /** For words with one space between them. */
  private static Set<String> trigrams(String text) {
    String[] words = text.split(" ");
    return IntStream.range(0, words.length - 2)
        .mapToObj(i -> words[i] + " " + words[i + 1] + " " + words[i + 2])
        .collect(Collectors.toSet());
  }

  /** Texts and changed copies of them, so that many pairs are close to the threshold. */
  private static List<String> families(Random random, int count) {
    List<String> texts = new ArrayList<>();
    while (texts.size() < count) {
      String[] words =
          random
              .ints(random.nextInt(10, 80), 0, 5000)
              .mapToObj(word -> "w" + word)
              .toArray(String[]::new);
      for (int copy = 0; copy < 4; copy++) {
        String[] changed = words.clone();
        for (int edit = random.nextInt(4); edit > 0; edit--) {
          changed[random.nextInt(words.length)] = "w" + random.nextInt(5000);
        }
        texts.add(String.join(" ", changed));
      }
    }
    Collections.shuffle(texts, random);
    return texts;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void findsWhatComparingAllPairsFinds(int seed) {
    Random random = new Random(seed);
    List<String> texts = families(random, 400);
    List<String> others = families(random, 100);
    others.addAll(texts.subList(0, 5));
    NearDuplicates index = new NearDuplicates(texts);
    List<Set<String>> sets = texts.stream().map(NearDuplicatesTest::trigrams).toList();
    int found = 0;
    for (int i = 0; i < texts.size(); i++) {
      int own = i;
      boolean expected =
          IntStream.range(0, sets.size())
              .anyMatch(other -> other != own && jaccard(sets.get(own), sets.get(other)) >= 0.8);
      OptionalInt near = index.nearOther(i);
      assertEquals(expected, near.isPresent());
      near.ifPresent(
          other -> assertTrue(other != own && jaccard(sets.get(own), sets.get(other)) >= 0.8));
      found += expected ? 1 : 0;
    }
    assertTrue(found > 50 && found < 350, found + " of 400 have a near duplicate");
    for (String text : others) {
      Set<String> set = trigrams(text);
      boolean expected = sets.stream().anyMatch(other -> jaccard(set, other) >= 0.8);
      assertEquals(expected, index.near(text).isPresent());
    }
  }

  @Test
  void theThresholdIsReachedFromEightTenths() {
    String text = numbered(1, 20);
    NearDuplicates index = new NearDuplicates(List.of(text));
    assertEquals(0.8, jaccard(trigrams(text), trigrams(numbered(3, 22))));
    assertTrue(index.near(numbered(3, 20)).isPresent(), "16 of 18");
    assertTrue(index.near(numbered(3, 22)).isPresent(), "16 of 20, the threshold itself");
    assertFalse(index.near(numbered(4, 22)).isPresent(), "15 of 20");
  }

  private static String numbered(int from, int to) {
    return IntStream.rangeClosed(from, to).mapToObj(i -> "w" + i).collect(Collectors.joining(" "));
  }

  @Test
  void whiteSpaceMakesNoDifferenceAndSignsMakeATextNear() {
    NearDuplicates index = new NearDuplicates(List.of("Where is\u00a0my  card?", "a b c d"));
    assertEquals(OptionalInt.of(0), index.equal("\tWhere is my\n\ncard? "));
    assertEquals(OptionalInt.empty(), index.equal("where is my card?"));
    assertEquals(OptionalInt.of(0), index.near("where is my card"));
    assertEquals(OptionalInt.of(1), index.near("a b, c! d"));
  }

  @Test
  void otherMeansAnotherPlace() {
    NearDuplicates index = new NearDuplicates(List.of("x y z", "unlike it", "x y  z", "x y z"));
    assertEquals(OptionalInt.of(2), index.equalOther(0));
    assertEquals(OptionalInt.empty(), index.equalOther(1));
    assertEquals(OptionalInt.empty(), index.nearOther(1));
    assertEquals(OptionalInt.of(0), index.equalOther(2));
    assertEquals(OptionalInt.of(0), index.nearOther(3));
  }

  @Test
  void shortTextsAreNearToTheirLikeAlone() {
    NearDuplicates index = new NearDuplicates(List.of("thank you", "Yes", "", "...", "?!"));
    assertEquals(OptionalInt.of(0), index.near("Thank you!"));
    assertEquals(OptionalInt.of(1), index.near("yes."));
    assertEquals(OptionalInt.empty(), index.near("thank"));
    assertEquals(OptionalInt.of(2), index.near("  "), "equal to the empty text");
    assertEquals(OptionalInt.of(3), index.near("..."));
    assertEquals(OptionalInt.empty(), index.near("!"), "without words, and equal to none");
    assertEquals(OptionalInt.empty(), index.nearOther(3));
  }

  @Test
  void otherScripts() {
    String greek = "το τρένο για την Αθήνα έχει πάλι καθυστέρηση σήμερα το πρωί";
    NearDuplicates index = new NearDuplicates(List.of(greek, "卡 在 哪里", "😀 😀 😀"));
    assertEquals(OptionalInt.of(0), index.near(greek.replace(" πρωί", " πρωί!")));
    assertEquals(OptionalInt.of(1), index.near("卡 在  哪里 ?"));
    assertEquals(OptionalInt.of(2), index.equal("😀 😀  😀"));
    assertEquals(OptionalInt.empty(), index.near("😀 😀"));
  }

  @Test
  void nothingIsNearToAnEmptySet() {
    NearDuplicates index = new NearDuplicates(List.of());
    assertEquals(OptionalInt.empty(), index.near("a b c"));
    assertEquals(OptionalInt.empty(), index.equal(""));
    assertEquals(OptionalInt.empty(), new NearDuplicates(List.of("a b c")).nearOther(0));
  }

  /** A collapsed set: equal texts are indexed once, so that it takes no time to tell. */
  @Test
  void aHundredThousandEqualTexts() {
    String[] texts = new String[100_000];
    Arrays.fill(texts, "where is my card");
    NearDuplicates index = new NearDuplicates(List.of(texts));
    for (int i = 0; i < texts.length; i++) {
      assertEquals(i == 0 ? 1 : 0, index.nearOther(i).orElseThrow());
    }
  }
}
