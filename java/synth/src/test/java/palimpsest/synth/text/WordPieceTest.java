package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.testing.Shared;

class WordPieceTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String BERT = "data/tokenizers/bert-base-uncased/vocab.txt";
  private static WordPiece bert;

  private static synchronized WordPiece bert() {
    if (bert == null) {
      bert = WordPiece.read(Shared.file(BERT));
    }
    return bert;
  }

  private static void checkVectors(WordPiece tokenizer) throws IOException {
    String file =
        new String(
            Shared.bytes("data/oracles/minilm_wordpiece_vectors.jsonl.gz"), StandardCharsets.UTF_8);
    int lines = 0;
    for (String line : file.split("\n")) {
      JsonNode vector = JSON.readTree(line);
      int[] ids = JSON.convertValue(vector.get("ids"), int[].class);
      assertArrayEquals(ids, tokenizer.encode(vector.get("text").asText()), "text " + line);
      lines++;
    }
    assertEquals(400, lines);
  }

  @Test
  void matchesTheMinilmVectors() throws IOException {
    assertEquals(30_522, bert().vocabularySize());
    checkVectors(bert());
  }

  /** The file that MiniLM comes with asks for truncation and padding, which is for batches. */
  @Test
  void aTokenizerFileGivesTheSame() throws IOException {
    String[] tokens = new String(Shared.bytes(BERT), StandardCharsets.UTF_8).split("\n");
    StringBuilder vocabulary = new StringBuilder();
    for (int id = 0; id < tokens.length; id++) {
      vocabulary.append(id == 0 ? "" : ",").append(JSON.writeValueAsString(tokens[id]));
      vocabulary.append(':').append(id);
    }
    String special = "{\"id\":101,\"content\":\"[CLS]\",\"special\":true}";
    checkVectors(parse(json(special, vocabulary.toString())));
  }

  @Test
  void matchesTheSwiftTransformersVector() throws IOException {
    JsonNode vector =
        JSON.readTree(Shared.bytes("data/tokenizers/vectors/bert_uncased_encoded.json"));
    int[] ids = JSON.convertValue(vector.get("token_ids"), int[].class);
    assertArrayEquals(ids, bert().encode(vector.get("text").asText()));
  }

  @Test
  void matchesTheQuestions() throws IOException {
    String[] tokens = new String(Shared.bytes(BERT), StandardCharsets.UTF_8).split("\n");
    JsonNode questions =
        JSON.readTree(Shared.bytes("data/tokenizers/vectors/bert_question_tokens.json.gz"));
    assertEquals(10_570, questions.size());
    for (JsonNode question : questions) {
      int[] ids = bert().encode(question.get("original").asText());
      List<String> pieces =
          Arrays.stream(ids, 1, ids.length - 1).mapToObj(id -> tokens[id]).toList();
      assertEquals(JSON.convertValue(question.get("wordpiece"), List.class), pieces);
    }
  }

  /** Ids 0..11. */
  private static final List<String> SMALL =
      List.of(
          "[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "a", "##a", "!", "##b",
          "ab");

  private static WordPiece small() {
    return list(String.join("\n", SMALL));
  }

  private static WordPiece list(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return WordPiece.readList(new ByteArrayInputStream(bytes), "vocab.txt");
  }

  private static WordPiece parse(String json) {
    byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
    return WordPiece.readJson(new ByteArrayInputStream(bytes), "test.json");
  }

  private static String json(String added, String vocabulary) {
    return """
    {"version":"1.0","truncation":{"max_length":3},"padding":{"length":9},
     "added_tokens":[%s],
     "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
       "strip_accents":null,"lowercase":true},
     "pre_tokenizer":{"type":"BertPreTokenizer"},
     "post_processor":{"type":"TemplateProcessing"},
     "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
     "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
       "max_input_chars_per_word":100,"vocab":{%s}}}
    """
        .formatted(added, vocabulary);
  }

  static String smallJson() {
    StringBuilder vocabulary = new StringBuilder();
    for (int id = 0; id < SMALL.size(); id++) {
      vocabulary.append(id == 0 ? "" : ",").append("\"%s\":%d".formatted(SMALL.get(id), id));
    }
    return json("{\"id\":2,\"content\":\"[CLS]\",\"special\":true}", vocabulary.toString());
  }

  /** The paper's example, and what is not in the vocabulary. */
  @Test
  void theLongestPieceThatFitsComesFirst() {
    for (WordPiece tokenizer : List.of(small(), parse(smallJson()))) {
      assertArrayEquals(new int[] {2, 4, 5, 6, 3}, tokenizer.encode("UNaffable"));
      assertArrayEquals(new int[] {2, 11, 8, 9, 3}, tokenizer.encode("\u00c0ba!"));
      // After "ab" nothing fits "c": the word is unknown, though its beginning is not.
      assertArrayEquals(new int[] {2, 1, 7, 3}, tokenizer.encode("abc a"));
      assertArrayEquals(new int[] {2, 3}, tokenizer.encode("\u0000 \ufffd"));
    }
  }

  @Test
  void wordsOfMoreThanAHundredCharactersAreUnknown() {
    int[] ids = small().encode("a" + "b".repeat(99));
    assertEquals(101, ids.length);
    assertArrayEquals(new int[] {2, 1, 3}, small().encode("a" + "b".repeat(100)));
    // An accent is no character of the word, nor are two surrogates two.
    assertEquals(101, small().encode("\u00e1" + "b".repeat(99)).length);
    String wide = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\ud835\udcb3\n##\ud835\udcb3";
    assertEquals(102, list(wide).encode("\ud835\udcb3".repeat(100)).length);
  }

  @Test
  void aCutTextKeepsItsBrackets() {
    int[] whole = small().encode("unaffable a! ab");
    for (int most = 2; most <= whole.length + 1; most++) {
      int[] cut = small().encode("unaffable a! ab", most);
      int[] expected = Arrays.copyOf(whole, Math.min(most, whole.length));
      expected[expected.length - 1] = 3;
      assertArrayEquals(expected, cut);
      assertArrayEquals(
          cut, small().encode("unaffable a! ab".getBytes(StandardCharsets.UTF_8), most));
    }
    assertThrows(IllegalArgumentException.class, () -> small().encode("a", 1));
  }

  @Test
  void textCannotSpellControlTokens() {
    int[] ids = bert().encode("[CLS] [SEP][PAD] [MASK] [UNK]");
    assertTrue(
        Arrays.stream(ids, 1, ids.length - 1).allMatch(id -> id > 999), Arrays.toString(ids));
  }

  @Test
  void everyTextHasIds() {
    Random random = new Random(3);
    for (int round = 0; round < 2000; round++) {
      char[] text = new char[random.nextInt(40)];
      for (int i = 0; i < text.length; i++) {
        text[i] = (char) random.nextInt(0x10000);
      }
      int[] ids = bert().encode(new String(text));
      assertEquals(101, ids[0]);
      assertEquals(102, ids[ids.length - 1]);
      // What is plain stays so.
      String plain = WordPiece.plain(new String(text));
      assertArrayEquals(ids, bert().encode(plain));
    }
  }

  @Test
  void aMegabyteOfOneWordOrOfManyTakesSeconds() {
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          assertEquals(3, bert().encode("a".repeat(1 << 20)).length);
          assertEquals((1 << 19) + 2, bert().encode("a ".repeat(1 << 19)).length);
          assertEquals((1 << 20) + 2, bert().encode("!".repeat(1 << 20)).length);
        });
  }

  private static void refused(Runnable reading, String name, String words) {
    InputException e = assertThrows(InputException.class, reading::run);
    assertTrue(e.getMessage().startsWith(name), e.getMessage());
    assertTrue(e.getMessage().contains(words), e.getMessage());
    assertFalse(e.getMessage().contains("\n"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "~",
      quoteCharacter = '`',
      value = {
        "\"type\":\"WordPiece\",\"unk ~ \"type\":\"BPE\",\"unk ~ 'BPE'",
        "\"type\":\"WordPiece\",\"unk ~ \"unk ~ model.type",
        "\"[UNK]\",\"cont ~ \"[OOV]\",\"cont ~ unk_token",
        "prefix\":\"##\" ~ prefix\":\"@@\" ~ continuing_subword_prefix",
        "word\":100 ~ word\":200 ~ max_input_chars_per_word",
        "\"BertNormalizer\" ~ \"NFC\" ~ normalizer",
        "\"clean_text\":true ~ \"clean_text\":false ~ clean_text",
        "\"handle_chinese_chars\":true ~ \"handle_chinese_chars\":0 ~ handle_chinese_chars",
        "\"strip_accents\":null ~ \"strip_accents\":false ~ strip_accents",
        "\"lowercase\":true ~ \"lowercase\":false ~ lowercase",
        "\"BertPreTokenizer\" ~ \"Whitespace\" ~ pre_tokenizer",
        "\"special\":true ~ \"special\":false ~ added token 2",
        "{\"id\":2 ~ {\"id\":3 ~ added token 3",
        "\"[SEP]\":3 ~ \"[SEP]\":-3 ~ outside",
        "\"[SEP]\":3, ~ `` ~ no [SEP]",
        "\"[UNK]\":1, ~ `` ~ no [UNK]",
      })
  void namesWhatItCannotUse(String old, String replacement, String words) {
    assertTrue(smallJson().contains(old), old);
    refused(() -> parse(smallJson().replace(old, replacement)), "test.json: ", words);
  }

  @Test
  void settingsThatAreLeftOutAreTheUsualOnes() {
    String json =
        smallJson()
            .replace("\"continuing_subword_prefix\":\"##\",", "")
            .replace("\"max_input_chars_per_word\":100,", "")
            .replace("\"strip_accents\":null,", "");
    assertArrayEquals(new int[] {2, 4, 5, 6, 3}, parse(json).encode("unaffable"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "a", "[CLS]\n[SEP]", "[UNK]\n[CLS]\n[SEP]\n[UNK]", "[UNK]\n[CLS]\n\n\n"})
  void listsThatAreNoVocabularyAreRefused(String list) {
    refused(() -> list(list), "vocab.txt: ", "");
  }

  @Test
  void whatIsTooLargeIsRefused() {
    List<String> tokens = new ArrayList<>(SMALL);
    tokens.add("x".repeat(1025));
    refused(() -> list(String.join("\n", tokens)), "vocab.txt: ", "1024");
    refused(() -> list("\n".repeat((16 << 20) + 1)), "vocab.txt: ", "bytes");
    assertThrows(InputException.class, () -> WordPiece.read(Path.of("/no/such/vocab.txt")));
    assertThrows(InputException.class, () -> WordPiece.read(Path.of("/no/such/tokenizer.json")));
  }

  @Test
  void linesMayEndInEitherWay() {
    assertArrayEquals(
        new int[] {2, 4, 5, 6, 3}, list(String.join("\r\n", SMALL) + "\r\n").encode("unaffable"));
  }
}
