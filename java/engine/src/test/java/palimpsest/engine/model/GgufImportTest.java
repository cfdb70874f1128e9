package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.Damage;
import palimpsest.engine.weights.GgufBuilder;
import palimpsest.engine.weights.ModelFileException;

class GgufImportTest {
  /**
   * Of model.safetensors from SmolLM2-135M-Instruct.Q4_1.gguf, whose 272 tensors were found equal,
   * bit by bit, to those of the Python package gguf with the rows of query and key put back.
   */
  private static final String SMOLLM2_SHA256 =
      "0ee9acec2c0d69f34698f0106255d6b3e10edab4fe2891d74a76ad0c099e8051";

  @TempDir Path temp;

  private Path imported(GgufBuilder builder) throws IOException {
    Path file = temp.resolve("model.gguf");
    Files.write(file, builder.bytes());
    Path folder = temp.resolve("model");
    GgufImport.importTo(file, folder);
    return folder;
  }

  @Test
  void mapsEveryTensorAndSetting() throws IOException {
    try (ModelFolder model = ModelFolder.open(imported(TinyGguf.builder()))) {
      DecoderConfig config = model.config();
      assertEquals("llama", config.family());
      assertEquals(1e5, config.ropeBase(0));
      assertEquals(1e-5, config.norm().epsilon());
      assertEquals(OptionalInt.of(1), config.beginId());
      assertEquals(List.of(0), config.endIds());
      assertTrue(config.tiedHead());
      Role[] roles = {
        Role.EMBEDDING,
        Role.ATTENTION_NORM,
        Role.QUERY,
        Role.KEY,
        Role.VALUE,
        Role.ATTENTION_OUTPUT,
        Role.FEED_FORWARD_NORM,
        Role.GATE,
        Role.UP,
        Role.DOWN,
        Role.FINAL_NORM
      };
      for (int i = 0; i < roles.length; i++) {
        assertEquals(i * 1000 + 3 / 16f, model.weight(roles[i], 0).get(0, 3), roles[i].name());
      }
    }
  }

  /**
   * llama.cpp's converter reshapes the rows of a head (2, half) and swaps the axes: row 2 i + s of
   * the file is row s * half + i of Hugging Face.
   */
  @Test
  void queryAndKeyRowsAreHalfSplitAgain() throws IOException {
    try (ModelFolder model = ModelFolder.open(imported(TinyGguf.builder()))) {
      Tensor query = model.weight(Role.QUERY, 0);
      long[] fileRow = {0, 2, 1, 3, 4, 6, 5, 7};
      for (int row = 0; row < 8; row++) {
        assertEquals(2000 + fileRow[row], query.get(row, 0));
      }
      Tensor key = model.weight(Role.KEY, 0);
      assertEquals(3002, key.get(1, 0));
      assertEquals(4001, model.weight(Role.VALUE, 0).get(1, 0));
    }
  }

  @Test
  void rebuildsTheTokenizer() throws IOException {
    Path folder = imported(TinyGguf.builder());
    JsonNode json = new ObjectMapper().readTree(folder.resolve("tokenizer.json").toFile());
    assertEquals("BPE", json.at("/model/type").asText());
    assertEquals(5, json.at("/model/vocab").get("Ġab").asInt());
    assertEquals("[\"a b\",\"Ġ ab\"]", json.at("/model/merges").toString());
    assertEquals("Digits", json.at("/pre_tokenizer/pretokenizers/0/type").asText());
    assertTrue(json.at("/pre_tokenizer/pretokenizers/0/individual_digits").asBoolean());
    assertEquals("ByteLevel", json.at("/pre_tokenizer/pretokenizers/1/type").asText());
    assertFalse(json.at("/pre_tokenizer/pretokenizers/1/add_prefix_space").asBoolean());
    assertEquals(1, json.get("added_tokens").size());
    assertEquals("<|end|>", json.at("/added_tokens/0/content").asText());
    assertTrue(json.at("/added_tokens/0/special").asBoolean());
  }

  /** Norm weights are stored as 1 + w; no rows are permuted; both post norms have their place. */
  @Test
  void mapsGemma() throws IOException {
    try (ModelFolder model = ModelFolder.open(imported(TinyGguf.gemma()))) {
      DecoderConfig config = model.config();
      assertEquals("gemma3_text", config.family());
      assertEquals(Math.sqrt(8), config.embeddingScale());
      assertEquals(List.of(16), config.attention().windows());
      assertEquals(1e4, config.ropeBase(0));
      assertEquals(2001, model.weight(Role.QUERY, 0).get(1, 0));
      assertEquals(1000 - 1 + 3 / 16f, model.weight(Role.ATTENTION_NORM, 0).get(3));
      assertEquals(5000 - 1 + 3 / 16f, model.weight(Role.QUERY_NORM, 0).get(3));
      assertEquals(6000 - 1, model.weight(Role.KEY_NORM, 0).get(0));
      assertEquals(8000 - 1, model.weight(Role.POST_ATTENTION_NORM, 0).get(0));
      assertEquals(9000 - 1, model.weight(Role.FEED_FORWARD_NORM, 0).get(0));
      assertEquals(13000 - 1, model.weight(Role.POST_FEED_FORWARD_NORM, 0).get(0));
      assertEquals(14000 - 1, model.weight(Role.FINAL_NORM, 0).get(0));
      assertEquals(12002, model.weight(Role.DOWN, 0).get(2, 0));
    }
  }

  /** Best whole first; a split needs two pieces of the vocabulary ("aba" has "ab" + "a" only). */
  @Test
  void rebuildsMergesFromScores() throws IOException {
    Path folder = imported(TinyGguf.gemma());
    JsonNode json = new ObjectMapper().readTree(folder.resolve("tokenizer.json").toFile());
    assertEquals("[[\"ab\",\"a\"],[\"a\",\"b\"]]", json.at("/model/merges").toString());
    assertTrue(json.at("/model/byte_fallback").asBoolean());
    assertEquals("<unk>", json.at("/model/unk_token").asText());
    assertEquals("\u2581", json.at("/normalizer/content").asText());
    assertEquals(3, json.get("added_tokens").size());
    assertFalse(json.at("/added_tokens/2/special").asBoolean(), "user-defined");
  }

  @Test
  void anUntiedHeadIsKept() throws IOException {
    GgufBuilder untied =
        TinyGguf.builder().tensor("output.weight", TinyGguf.numbers(11, 6, 8), 6, 8);
    try (ModelFolder model = ModelFolder.open(imported(untied))) {
      assertFalse(model.config().tiedHead());
      assertEquals(11001, model.weight(Role.HEAD, 0).get(1, 0));
    }
  }

  private String refusal(UnaryOperator<GgufBuilder> change) {
    String message =
        assertThrows(ModelFileException.class, () -> imported(change.apply(TinyGguf.builder())))
            .getMessage();
    assertFalse(message.contains("\n"), message);
    assertTrue(message.contains("model.gguf"), message);
    assertFalse(Files.exists(temp.resolve("model")), "nothing half-written");
    return message;
  }

  @ParameterizedTest
  @CsvSource({
    "general.architecture, mamba, cannot be imported",
    "llama.rope.scaling.type, linear, rope scaling",
    "tokenizer.ggml.model, rwkv, tokenizer model",
    "tokenizer.ggml.pre, qwen2, pre-tokenizer"
  })
  void refusesUnsupportedKinds(String key, String value, String problem) {
    String message = refusal(builder -> builder.set(key, value));
    assertTrue(message.contains(problem), message);
  }

  @ParameterizedTest
  @CsvSource({
    "llama.block_count, 2, is missing",
    "llama.block_count, 2000000000, layers",
    "llama.block_count, 0, layers",
    "llama.embedding_length, 16, rotary",
    "llama.embedding_length, 2147483647, head size",
    "llama.attention.head_count, 0, attention heads",
    "llama.attention.head_count, 4, rotary",
    "llama.feed_forward_length, 13, has shape",
    "llama.rope.dimension_count, 2, rotary",
    "tokenizer.ggml.eos_token_id, 6, end token"
  })
  void refusesSettingsThatDoNotFitTheTensors(String key, int value, String problem) {
    String message = refusal(builder -> builder.set(key, value));
    assertTrue(message.contains(problem), message);
  }

  @Test
  void refusesForeignTensorsAndBrokenVocabularies() {
    assertTrue(
        refusal(b -> b.tensor("rope_freqs.weight", new float[2], 2)).contains("has no place"));
    assertTrue(refusal(b -> b.set("tokenizer.ggml.tokens", new String[] {"a"})).contains("differ"));
    assertTrue(
        refusal(b -> b.set("tokenizer.ggml.tokens", new String[] {"a", "a", "b", "Ġ", "ab", "Ġab"}))
            .contains("twice"));
    assertTrue(
        refusal(b -> b.set("tokenizer.ggml.merges", new String[] {"a Ġ"})).contains("third"));
    assertTrue(refusal(b -> b.remove("tokenizer.ggml.merges")).contains("no setting"));
  }

  @Test
  void damagedFilesNeverFailOtherwise() throws IOException {
    byte[] good = TinyGguf.builder().bytes();
    Random random = new Random(17);
    Path file = temp.resolve("fuzz.gguf");
    for (int round = 0; round < 400; round++) {
      Files.write(file, Damage.apply(good, good.length / 2, random));
      Path folder = temp.resolve("fuzz" + round);
      try {
        GgufImport.importTo(file, folder);
        ModelFolder.open(folder).close();
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
  }

  private static String sha256(Path file) throws IOException, GeneralSecurityException {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    try (InputStream in = Files.newInputStream(file)) {
      byte[] buffer = new byte[1 << 20];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  @Test
  void smollm2HasTheVerifiedNumbers() throws IOException, GeneralSecurityException {
    String set = System.getProperty("palimpsest.smollm2.gguf", "");
    Assumptions.assumeFalse(set.isEmpty(), "system property palimpsest.smollm2.gguf is not set");
    Path folder = temp.resolve("smollm2");
    GgufImport.importTo(Path.of(set), folder);
    assertEquals(SMOLLM2_SHA256, sha256(folder.resolve("model.safetensors")));
    try (ModelFolder model = ModelFolder.open(folder)) {
      assertEquals(134_515_008, model.config().parameterCount());
    }
  }

  @Test
  void cachedSmollm2IsTheVerifiedOne() throws IOException, GeneralSecurityException {
    Path folder = ModelCache.standard().find("smollm2-135m").orElse(null);
    Assumptions.assumeTrue(folder != null, "smollm2-135m is not in the model cache");
    assertEquals(SMOLLM2_SHA256, sha256(folder.resolve("model.safetensors")));
  }
}
