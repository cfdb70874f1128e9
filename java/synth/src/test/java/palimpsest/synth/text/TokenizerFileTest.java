package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Untrusted tokenizer.json files: read, or refused in one line. */
class TokenizerFileTest {
  private static final String BYTE_LEVEL =
      "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}";

  private static InputException refused(String json) {
    InputException e = assertThrows(InputException.class, () -> Tokenizers.parse(json));
    assertTrue(e.getMessage().startsWith("test.json: "), e.getMessage());
    assertFalse(e.getMessage().contains("\n"));
    return e;
  }

  private static String with(String old, String replacement) {
    String json = Tokenizers.smallJson();
    assertTrue(json.contains(old), old);
    return json.replace(old, replacement);
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "~",
      quoteCharacter = '`',
      value = {
        "\"type\":\"BPE\" ~ \"type\":\"Unigram\" ~ 'Unigram'",
        "\"dropout\":null ~ \"dropout\":0.1 ~ dropout",
        "\"byte_fallback\":false ~ \"byte_fallback\":true ~ byte_fallback",
        "\"normalizer\":null ~ \"normalizer\":{\"type\":\"Lowercase\"} ~ 'Lowercase'",
        "\"hello\":261 ~ \"hello\":260 ~ two tokens",
        "\"hello\":261 ~ \"hello\":1048576 ~ outside",
        "\"hello\":261 ~ \"hello\":-1 ~ outside",
        "\"hello\":261 ~ \"hell\":261 ~ twice",
        "\"hello\":261 ~ \"hello\":\"x\" ~ vocab",
        "\"hell o\" ~ \"hell x\" ~ merge 5",
        "\"hell o\" ~ \"hell\" ~ merge 5",
        "\"hell o\" ~ \"a b c\" ~ merge 5",
        "\"hell o\" ~ 7 ~ merge",
        "\"id\":262,\"content\":\"<|endoftext|>\" ~ \"id\":262,\"content\":\"\" ~ empty",
        "\"id\":262,\"content\":\"<|endoftext|>\" ~ \"id\":5,\"content\":\"<|x|>\" ~ another token",
        "\"id\":262,\"content\":\"<|endoftext|>\" ~ \"id\":261,\"content\":\"hello\" ~ control",
        "\"content\":\"<|im_end|>\" ~ \"content\":\"<|im_end|>\",\"lstrip\":true ~ lstrip",
        "{\"type\":\"ByteLevel\"} ~ {\"type\":\"WordPiece\"} ~ decoder",
      })
  void namesWhatItCannotUse(String old, String replacement, String message) {
    String text = refused(with(old, replacement)).getMessage();
    assertTrue(text.contains(message), text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "~",
      quoteCharacter = '`',
      value = {
        "{\"type\":\"Whitespace\"}",
        "null",
        "{\"type\":\"Sequence\",\"pretokenizers\":[]}",
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}",
        "{\"type\":\"ByteLevel\",\"use_regex\":false},\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":false},{\"type\":\"ByteLevel\"}]}",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\",\"individual_digits\":true}]}",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"use_regex\":false}]}",
      })
  void refusesUnknownSplitting(String preTokenizer) {
    refused(with(BYTE_LEVEL, preTokenizer));
  }

  @Test
  void aSplitByTheGpt2ExpressionIsTheByteLevelOne() {
    String split =
        """
        {"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+"},
        "behavior":"Isolated","invert":false},{"type":"ByteLevel","use_regex":false}]}
        """;
    Tokenizer tokenizer = Tokenizers.parse(with(BYTE_LEVEL, split));
    assertArrayEquals(
        Tokenizers.small().encode("hello hello's  12"), tokenizer.encode("hello hello's  12"));
  }

  @Test
  void anUnsplitTextMergesAcrossSpaces() {
    Tokenizer tokenizer =
        Tokenizers.parse(
            with(
                    BYTE_LEVEL,
                    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}")
                .replace("\"ab\":256,", "\"ab\":256,\"Ġa\":300,")
                .replace("[\"a b\"", "[\"Ġ a\",\"a b\""));
    assertArrayEquals(new int[] {'x', 300, 'b'}, tokenizer.encode("x ab"));
  }

  @Test
  void missingFilesAndOtherFilesAreOneLine() {
    assertThrows(InputException.class, () -> Tokenizer.read(Path.of("/no/such/tokenizer.json")));
    for (String json :
        new String[] {"", "[]", "{}", "{", "nul", "\u0000\u0001", "{\"model\":{}}"}) {
      refused(json);
    }
    refused("{\"model\":{\"vocab\":{\"" + "a".repeat(2000) + "\":1},\"merges\":[]}}");
  }

  @Test
  void manyNamesOrNumbersInASettingAreRefused() {
    refused(with("\"normalizer\":null", "\"normalizer\":[" + "1,".repeat(5000) + "1]"));
  }

  @Test
  void mutatedFilesAreReadOrRefused() {
    Random random = new Random(11);
    byte[] original = Tokenizers.smallJson().getBytes(StandardCharsets.UTF_8);
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          for (int round = 0; round < 4000; round++) {
            byte[] mutated = Mutations.of(original, random);
            try {
              Tokenizer tokenizer =
                  Tokenizer.read(new ByteArrayInputStream(mutated), "mutated.json");
              tokenizer.decode(tokenizer.encode("hello <|im_end|> 12 \t\t"));
            } catch (InputException refused) {
              assertFalse(refused.getMessage().contains("\n"));
            }
          }
        });
  }
}
