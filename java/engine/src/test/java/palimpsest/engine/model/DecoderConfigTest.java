package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.weights.Damage;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.testing.Shared;

class DecoderConfigTest {
  private static final String LLAMA =
      """
      {"model_type":"llama","vocab_size":49152,"hidden_size":576,"intermediate_size":1536,
       "num_hidden_layers":30,"num_attention_heads":9,"num_key_value_heads":3,
       "max_position_embeddings":8192,"rms_norm_eps":1e-05,"rope_theta":100000,
       "hidden_act":"silu","tie_word_embeddings":true,"bos_token_id":1,"eos_token_id":2}\
      """;

  @TempDir Path folder;

  private DecoderConfig parse(String json) throws IOException {
    Path file = folder.resolve("config.json");
    Files.writeString(file, json);
    return DecoderConfig.fromJson(file);
  }

  private String refusal(String json) {
    String message = assertThrows(ModelFileException.class, () -> parse(json)).getMessage();
    assertFalse(message.contains("\n"), message);
    assertTrue(message.contains("config.json"), message);
    return message;
  }

  private static String with(String field, String value) {
    String rest = LLAMA.replaceAll("[,\\s]*\"" + field + "\":[^,}]*", "").replace("{,", "{");
    return rest.substring(0, rest.length() - 1) + ",\"" + field + "\":" + value + "}";
  }

  @Test
  void readsGpt2() {
    DecoderConfig config =
        DecoderConfig.fromJson(Shared.file("data/weights/capp_gpt2/config.json"));
    assertEquals("gpt2", config.family());
    assertEquals(53, config.vocabularySize());
    assertEquals(512, config.contextLength());
    assertEquals(16, config.attention().headDim());
    assertEquals(0.25, config.attention().scale());
    assertEquals(256, config.feedForward().width());
    assertEquals(Activation.Kind.GELU_TANH, config.feedForward().activation());
    assertTrue(config.tiedHead() && config.attention().fused());
    assertEquals(OptionalInt.empty(), config.beginId(), "50256 is outside the vocabulary");
    assertEquals(OptionalInt.of(51), config.endId());
    assertEquals(236_224, config.parameterCount(), "the published count");
  }

  @Test
  void readsLlama() throws IOException {
    DecoderConfig config = parse(LLAMA);
    assertEquals(64, config.attention().headDim());
    assertEquals(3, config.attention().kvHeads());
    assertEquals(1e5, config.ropeBase(0));
    assertEquals(64, config.position().rotaryDims());
    assertEquals(1e-5, config.norm().epsilon());
    assertEquals(134_515_008, config.parameterCount(), "the published count");
    assertEquals(List.of(2, 0), parse(with("eos_token_id", "[2,0,99999]")).endIds());
  }

  /** The published count of Gemma 3 270M; windows and bases as its documentation has them. */
  @Test
  void readsGemma() throws IOException {
    DecoderConfig config =
        parse(
            """
            {"model_type":"gemma3_text","vocab_size":262144,"hidden_size":640,
             "intermediate_size":2048,"num_hidden_layers":18,"num_attention_heads":4,
             "num_key_value_heads":1,"head_dim":256,"max_position_embeddings":32768,
             "rms_norm_eps":1e-6,"rope_theta":1000000.0,"rope_local_base_freq":10000.0,
             "sliding_window":512,"hidden_activation":"gelu_pytorch_tanh",
             "query_pre_attn_scalar":256,"bos_token_id":2,"eos_token_id":1}\
            """);
    assertEquals(268_098_176, config.parameterCount());
    assertEquals(1.0 / 16, config.attention().scale());
    assertEquals(Math.sqrt(640), config.embeddingScale());
    for (int layer = 0; layer < 18; layer++) {
      boolean full = layer == 5 || layer == 11 || layer == 17;
      assertEquals(full ? 0 : 512, config.attention().window(layer));
      assertEquals(full ? 1e6 : 1e4, config.ropeBase(layer));
    }
    assertTrue(config.norm().plusOne() && config.norm().post() && config.attention().qkNorm());
  }

  @Test
  void readsQwenAndMistral() throws IOException {
    DecoderConfig qwen2 = parse(with("model_type", "\"qwen2\""));
    assertTrue(qwen2.attention().inputBias());
    assertFalse(qwen2.attention().outputBias());
    DecoderConfig qwen3 = parse(with("model_type", "\"qwen3\""));
    assertTrue(qwen3.attention().qkNorm());
    DecoderConfig mistral = parse(with("model_type", "\"mistral\",\"sliding_window\":4096"));
    assertEquals(4096, mistral.attention().window(29));
  }

  @Test
  void writesWhatItReads() throws IOException {
    Path file = folder.resolve("written.json");
    List<DecoderConfig> configs =
        List.of(
            TinyModels.llama(true),
            TinyModels.llama(false),
            TinyModels.gpt2(),
            TinyModels.gemma(),
            parse(LLAMA),
            parse(with("model_type", "\"qwen2\"")),
            parse(with("model_type", "\"qwen3\"")),
            parse(with("model_type", "\"mistral\",\"sliding_window\":4096")));
    for (DecoderConfig config : configs) {
      config.toJson(file, DType.F32);
      assertEquals(config, DecoderConfig.fromJson(file));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "vocab_size, 0",
    "vocab_size, 99999999",
    "vocab_size, 49152.5",
    "vocab_size, 9223372036854775808",
    "hidden_size, 1000000000",
    "hidden_size, 577",
    "hidden_size, -576",
    "intermediate_size, 2147483647",
    "num_hidden_layers, 100000000",
    "num_hidden_layers, 0",
    "num_attention_heads, 0",
    "num_attention_heads, -9",
    "num_key_value_heads, 2",
    "num_key_value_heads, 10",
    "head_dim, 63",
    "head_dim, 100000",
    "max_position_embeddings, 2147483647",
    "rms_norm_eps, 0",
    "rms_norm_eps, 1e300",
    "rope_theta, -1",
    "rope_theta, '\"x\"'",
    "model_type, '\"mamba\"'",
    "model_type, 7",
    "hidden_act, '\"relu2\"'",
    "attention_bias, 1",
    "rope_scaling, '{\"rope_type\":\"llama3\",\"factor\":8}'",
    "partial_rotary_factor, 0.5",
    "final_logit_softcapping, 30.0"
  })
  void refusesFieldsOutOfRange(String field, String value) {
    refusal(with(field, value));
  }

  /** The feed-forward width that is not stated is four times the width. */
  @Test
  void refusesAWidthWhoseFourfoldOverflows() {
    String gpt2 =
        """
        {"model_type":"gpt2","vocab_size":11,"n_positions":16,"n_layer":2,"n_head":1,"n_embd":%d}\
        """;
    assertTrue(refusal(gpt2.formatted(1 << 30)).contains("head size"));
    assertTrue(refusal(gpt2.formatted(-1 << 30)).contains("head size"));
  }

  @Test
  void refusesWhatIsNoConfiguration() {
    assertTrue(refusal("[]").contains("not a JSON object"));
    assertTrue(refusal("{\"a\":1,\"a\":2}").contains("not valid JSON"));
    assertTrue(refusal("{} {}").contains("not valid JSON"));
    assertTrue(refusal("{\"a\":" + "[".repeat(5000)).contains("not valid JSON"));
    assertTrue(refusal("{}").contains("gpt2, llama"));
    assertTrue(refusal("{\"a\":\"" + "x".repeat(1 << 20) + "\"}").contains("over the limit"));
  }

  @Test
  void damagedFilesNeverFailOtherwise() throws IOException {
    byte[] good = LLAMA.getBytes(StandardCharsets.UTF_8);
    Random random = new Random(3);
    Path file = folder.resolve("config.json");
    int read = 0;
    for (int round = 0; round < 3000; round++) {
      Files.write(file, Damage.apply(good, good.length, random));
      try {
        DecoderConfig.fromJson(file).parameterCount();
        read++;
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"));
      }
    }
    assertTrue(read > 0 && read < 1500, read + " read");
  }
}
