package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.synth.text.Tokenizer.SpecialTokens;
import palimpsest.synth.text.TrainedVocabulary.Merge;
import palimpsest.testing.Shared;

class TokenizerTrainerTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String REFERENCE = "data/tokenizers/bpe_training/";

  private static TrainedVocabulary train(TokenizerSettings settings, String... texts) {
    Stream<byte[]> bytes = Stream.of(texts).map(text -> text.getBytes(StandardCharsets.UTF_8));
    return TokenizerTrainer.train(bytes.iterator(), settings);
  }

  private static byte[] written(TrainedVocabulary vocabulary) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      TokenizerWriter.write(vocabulary, out);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return out.toByteArray();
  }

  private static Tokenizer tokenizer(TrainedVocabulary vocabulary) {
    return Tokenizer.read(new ByteArrayInputStream(written(vocabulary)), "trained.json");
  }

  private static List<String> learned(TrainedVocabulary vocabulary) {
    int known = 256 + vocabulary.settings().specialTokens().size();
    return vocabulary.tokens().subList(known, vocabulary.tokens().size());
  }

  @Test
  void reproducesTheReferenceExactly() throws IOException {
    byte[] corpus = Shared.bytes(REFERENCE + "corpus.en");
    String merges =
        new String(
            Shared.bytes(REFERENCE + "train-bpe-reference-merges.txt"), StandardCharsets.UTF_8);
    Map<?, ?> vocabulary =
        JSON.readValue(
            Shared.bytes(REFERENCE + "train-bpe-reference-vocab.json"), LinkedHashMap.class);
    TrainedVocabulary trained =
        TokenizerTrainer.train(
            List.of(corpus).iterator(), TokenizerSettings.of(500).withMinimumFrequency(1));
    List<String> lines =
        trained.merges().stream().map(merge -> merge.left() + " " + merge.right()).toList();
    assertEquals(merges.lines().toList(), lines);
    Map<String, Integer> ids = new LinkedHashMap<>();
    trained.tokens().forEach(token -> ids.put(token, ids.size()));
    assertEquals(vocabulary, ids);
  }

  @Test
  void agreesWithTheNaiveTrainerOnAnyText() {
    Random random = new Random(21);
    for (int round = 0; round < 600; round++) {
      List<String> texts = new ArrayList<>();
      int count = 1 + random.nextInt(4);
      for (int i = 0; i < count; i++) {
        texts.add("." + randomText(random, round));
      }
      TokenizerSettings settings =
          TokenizerSettings.of(257 + random.nextInt(120))
              .withMinimumFrequency(1 + random.nextInt(3))
              .withIndividualDigits(random.nextBoolean());
      NaiveTrainer naive = NaiveTrainer.train(texts, settings);
      TrainedVocabulary trained = train(settings, texts.toArray(String[]::new));
      assertEquals(naive.merges(), trained.merges(), "round " + round + ": " + texts);
      assertEquals(naive.learnedTokens(), learned(trained), "round " + round + ": " + texts);
      assertEquals(trained.tokens().size(), Set.copyOf(trained.tokens()).size());
    }
  }

  /** By turns long words of two letters, words of few letters, and any characters. */
  private static String randomText(Random random, int round) {
    String characters =
        switch (round % 3) {
          case 0 -> "ab";
          case 1 -> "aaabbc  ";
          default -> "ab '\t\n12.\u00e9\u4e2d\u00bd\u00a0\ud83d\ude00";
        };
    int[] points = characters.codePoints().toArray();
    StringBuilder text = new StringBuilder();
    int length = random.nextInt(120);
    for (int i = 0; i < length; i++) {
      text.appendCodePoint(points[random.nextInt(points.length)]);
      if (random.nextInt(40) == 0) {
        text.append("<|endoftext|>");
      }
    }
    return text.toString();
  }

  @Test
  void startsWithSpecialTokensAndBytesInTheOrderOfTheirCharacters() {
    TokenizerSettings settings =
        TokenizerSettings.of(258).withSpecialTokens(List.of("<|im_start|>", "<|im_end|>"));
    List<String> tokens = train(settings, "some text").tokens();
    assertEquals(List.of("<|im_start|>", "<|im_end|>", "!", "\""), tokens.subList(0, 4));
    assertEquals(258, tokens.size());
    List<String> alphabet = new ArrayList<>(tokens.subList(2, 258));
    Collections.sort(alphabet);
    assertEquals(alphabet, tokens.subList(2, 258));
    assertEquals(
        IntStream.range(0, 256)
            .mapToObj(b -> String.valueOf(ByteAlphabet.character(b)))
            .sorted()
            .toList(),
        alphabet);
  }

  @Test
  void ofEquallyFrequentPairsTheGreatestByItsBytesIsFirst() {
    TokenizerSettings settings = TokenizerSettings.of(300).withMinimumFrequency(1);
    assertEquals(new Merge("y", "z"), train(settings, "ab", "yz").merges().getFirst());
    assertEquals(new Merge("a", "c"), train(settings, "ac", "ab").merges().getFirst());
    // The byte of the space is less than that of "a", though its character is greater.
    assertEquals(new Merge("a", "b"), train(settings, " b ab").merges().getFirst());
    // Bytes have no sign: C3 A9 is above every letter.
    assertEquals(
        ByteAlphabet.spell(new byte[] {(byte) 0xC3}),
        train(settings, "zz\u00e9").merges().getFirst().left());
  }

  @Test
  void aPairThatIsTooRareIsNotMerged() {
    TokenizerSettings settings = TokenizerSettings.of(300);
    assertEquals(List.of("cd"), learned(train(settings, "ab cd", "cd")));
    assertEquals(List.of(), learned(train(settings.withMinimumFrequency(3), "ab cd", "cd")));
  }

  @Test
  void theOrderOfTextsDoesNotMatter() {
    List<String> texts =
        new ArrayList<>(List.of("abab ab", "ba ba aab", "bb aa bb", "abba", "aaaa"));
    TokenizerSettings settings = TokenizerSettings.of(300).withMinimumFrequency(1);
    byte[] first = written(train(settings, texts.toArray(String[]::new)));
    for (int seed = 0; seed < 10; seed++) {
      Collections.shuffle(texts, new Random(seed));
      assertArrayEquals(first, written(train(settings, texts.toArray(String[]::new))));
    }
  }

  @Test
  void noTokenHoldsAPieceOfASpecialToken() {
    String text = "x<|endoftext|>".repeat(50) + "<|endoftext";
    TrainedVocabulary trained =
        train(TokenizerSettings.of(400).withMinimumFrequency(2), text, text.substring(0, 700));
    assertEquals(List.of(), learned(trained));
    Tokenizer tokenizer = tokenizer(trained);
    int end = tokenizer.specialId("<|endoftext|>").orElseThrow();
    assertEquals(0, end);
    assertEquals(
        50,
        Arrays.stream(tokenizer.encode(text, SpecialTokens.AS_TOKENS))
            .filter(id -> id == end)
            .count());
    assertTrue(Arrays.stream(tokenizer.encode(text)).noneMatch(id -> id == end));
  }

  @Test
  void digitsStandAloneWhereAskedFor() {
    TokenizerSettings settings = TokenizerSettings.of(300);
    String text = "12 12 12 ab12 ab12";
    assertTrue(learned(train(settings, text)).contains("12"));
    TrainedVocabulary alone = train(settings.withIndividualDigits(true), text);
    assertEquals(List.of("ab", "\u0120ab"), learned(alone));
    assertEquals(4, tokenizer(alone).encode("ab12 ").length);
  }

  @Test
  void whatIsWrittenIsReadWithTheSameIds() {
    for (boolean individualDigits : new boolean[] {false, true}) {
      TokenizerSettings settings =
          TokenizerSettings.of(320)
              .withIndividualDigits(individualDigits)
              .withSpecialTokens(
                  List.of("<|im_end|>", "\u00abend of \u5b57\u00bb", "\ud83d\ude00"));
      TrainedVocabulary trained =
          train(settings, "to be or not to be, that is 1 question in 1234", "'tis nobler in it");
      Tokenizer tokenizer = tokenizer(trained);
      assertEquals(trained.tokens().size(), tokenizer.vocabularySize());
      assertEquals(settings.specialTokens(), tokenizer.specialTokens());
      for (int id = 0; id < trained.tokens().size(); id++) {
        String token = trained.tokens().get(id);
        boolean special = id < 3;
        assertEquals(
            special ? OptionalInt.of(id) : OptionalInt.empty(), tokenizer.specialId(token));
        assertArrayEquals(
            special ? token.getBytes(StandardCharsets.UTF_8) : ByteAlphabet.bytes(token),
            tokenizer.tokenBytes(id));
      }
      String text = "to be 1234 or \ud83d\ude00 not";
      int[] ids = tokenizer.encode(text, SpecialTokens.AS_TOKENS);
      assertArrayEquals(ids, tokenizer(trained).encode(text, SpecialTokens.AS_TOKENS));
      assertTrue(Arrays.stream(ids).anyMatch(id -> id == 2));
    }
  }

  @Test
  void anyBytesSurviveEncodingAndDecoding() {
    Random random = new Random(22);
    Tokenizer tokenizer =
        tokenizer(
            train(
                TokenizerSettings.of(400).withMinimumFrequency(1),
                randomText(random, 1) + "a",
                randomText(random, 2) + "b"));
    for (int round = 0; round < 500; round++) {
      String text = randomText(random, round);
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      assertArrayEquals(bytes, tokenizer.decode(tokenizer.encode(bytes)));
      assertArrayEquals(bytes, tokenizer.decode(tokenizer.encode(bytes, SpecialTokens.AS_TOKENS)));
    }
    byte[] all = new byte[256];
    for (int b = 0; b < 256; b++) {
      all[b] = (byte) b;
    }
    byte[] valid = Utf8.repair(all);
    assertArrayEquals(valid, tokenizer.decode(tokenizer.encode(all)));
  }

  @Test
  void brokenUtf8CountsAsReplacementCharacters() {
    TokenizerSettings settings = TokenizerSettings.of(300);
    byte[] broken = {'a', 'b', (byte) 0xFF, ' ', 'a', 'b', (byte) 0xFF};
    assertEquals(
        train(settings, "ab\ufffd ab\ufffd"),
        TokenizerTrainer.train(List.of(broken).iterator(), settings));
  }

  /** One long word: tokens stop where a file can hold no longer ones, and time does not explode. */
  @Test
  void noTokenIsLongerThanAFileMayHold() {
    String word = "a".repeat(1 << 18);
    TrainedVocabulary trained =
        assertTimeoutPreemptively(
            Duration.ofSeconds(60),
            () -> train(TokenizerSettings.of(2000).withMinimumFrequency(1), word));
    Tokenizer tokenizer = tokenizer(trained);
    assertEquals(TokenizerJson.MAX_TOKEN_CHARACTERS, tokenizer.longestToken());
    assertEquals(256, tokenizer.encode(word).length);
  }

  /** 10 MB of 50,000 different words, the first ones the most frequent. */
  @Test
  void tenMegabytesAreLearnedInSeconds() {
    Random random = new Random(23);
    List<String> words = new ArrayList<>();
    for (int i = 0; i < 50_000; i++) {
      words.add(
          random
              .ints(1 + random.nextInt(9), 'a', 'z' + 1)
              .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
              .append(' ')
              .toString());
    }
    List<byte[]> texts = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      StringBuilder text = new StringBuilder();
      while (text.length() < 50_000) {
        text.append(words.get((int) (words.size() * Math.pow(random.nextDouble(), 4))));
      }
      texts.add(text.toString().getBytes(StandardCharsets.UTF_8));
    }
    TrainedVocabulary trained =
        assertTimeoutPreemptively(
            Duration.ofSeconds(60),
            () -> TokenizerTrainer.train(texts.iterator(), TokenizerSettings.of(8192)));
    assertEquals(8192, trained.tokens().size());
  }

  @Test
  void textsWithTooManyDistinctWordsAreRefused() {
    WordCounts words = new WordCounts(10);
    byte[] text = "abcdefghijk".getBytes(StandardCharsets.US_ASCII);
    words.add(text, 0, 6);
    words.add(text, 0, 6);
    words.add(text, 6, 10);
    assertEquals(2, words.size());
    assertEquals(2, words.count(0));
    InputException e = assertThrows(InputException.class, () -> words.add(text, 10, 11));
    assertTrue(e.getMessage().contains("distinct words"), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " \n\t ", "\u0000", "<|endoftext|>\n"})
  void blankTextIsRefused(String text) {
    InputException e =
        assertThrows(InputException.class, () -> train(TokenizerSettings.of(300), text, ""));
    assertEquals("the texts are blank; give public text to learn tokens from", e.getMessage());
    assertThrows(InputException.class, () -> train(TokenizerSettings.of(300)));
  }

  private static void refused(Runnable settings, String message) {
    InputException e = assertThrows(InputException.class, settings::run);
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertFalse(e.getMessage().contains("\n"));
  }

  @Test
  void settingsThatCannotBeMetAreRefused() {
    refused(() -> TokenizerSettings.of(256), "256 is outside 257..1048576");
    refused(() -> TokenizerSettings.of(1 << 20 | 1), "outside");
    refused(() -> TokenizerSettings.of(-1), "outside");
    refused(() -> TokenizerSettings.of(300).withMinimumFrequency(0), "0 is below 1");
    assertEquals(256, new TokenizerSettings(256, 1, false, List.of()).vocabularySize());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a", "\u0120a", "caf\u00e9", "\ud800", "\u0120"})
  void aSpecialTokenThatAFileCannotTellApartIsRefused(String token) {
    TokenizerSettings settings = TokenizerSettings.of(300);
    refused(() -> settings.withSpecialTokens(List.of("<|end|>", token)), "special token 2: it ");
  }

  @Test
  void specialTokensAreBoundedAndDistinct() {
    TokenizerSettings settings = TokenizerSettings.of(300);
    refused(() -> settings.withSpecialTokens(List.of("<a>", "<a>")), "twice");
    refused(() -> settings.withSpecialTokens(List.of("<".repeat(1025))), "characters");
    refused(() -> settings.withSpecialTokens(Collections.nCopies(45, "<a>")), "outside 301");
    refused(
        () -> settings.withSpecialTokens(Collections.nCopies(100_001, "<a>")), "is over 100000");
  }
}
