package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;
import palimpsest.testing.TinyModels;

/** Encoders on disk: their configurations, their names, and that nobody takes one for a decoder. */
class EncoderFolderTest {
  private static final String MINILM =
      """
      {"architectures":["BertModel"],"attention_probs_dropout_prob":0.1,"hidden_act":"gelu",
       "hidden_size":384,"intermediate_size":1536,"layer_norm_eps":1e-12,
       "max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,
       "num_hidden_layers":6,"pad_token_id":0,"position_embedding_type":"absolute",
       "type_vocab_size":2,"use_cache":true,"vocab_size":30522}\
      """;

  @TempDir Path temp;

  private ModelConfig parse(String json) throws IOException {
    Path file = temp.resolve("config.json");
    Files.writeString(file, json);
    return ModelConfig.fromJson(file);
  }

  /** The published count of parameters, less those of the pooler, which is not read. */
  @Test
  void readsMinilm() throws IOException {
    EncoderConfig config = (EncoderConfig) parse(MINILM);
    assertEquals(22_713_216 - 384 * 384 - 384, config.parameterCount());
    assertEquals(32, config.attention().headDim());
    assertEquals(Activation.Kind.GELU, config.feedForward().activation());
    assertEquals(1e-12, config.norm().epsilon());
    assertEquals(2, config.segments());
    String tanh = MINILM.replace("\"gelu\"", "\"gelu_new\"");
    assertEquals(
        Activation.Kind.GELU_TANH, ((EncoderConfig) parse(tanh)).feedForward().activation());
  }

  @Test
  void writesWhatItReads() throws IOException {
    Path file = temp.resolve("written.json");
    for (ModelConfig config : new ModelConfig[] {parse(MINILM), TinyModels.bert()}) {
      config.toJson(file, DType.F32);
      assertEquals(config, ModelConfig.fromJson(file));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "\"vocab_size\":30522, \"vocab_size\":0",
    "\"hidden_size\":384, \"hidden_size\":385",
    "\"num_hidden_layers\":6, \"num_hidden_layers\":0",
    "\"num_attention_heads\":12, \"num_attention_heads\":0",
    "\"type_vocab_size\":2, \"type_vocab_size\":0",
    "\"layer_norm_eps\":1e-12, \"layer_norm_eps\":0",
    "\"max_position_embeddings\":512, \"max_position_embeddings\":-1",
    "\"absolute\", \"relative_key\"",
    "\"use_cache\":true, \"is_decoder\":true",
    "\"use_cache\":true, \"add_cross_attention\":true",
    "\"gelu\", \"relu\"",
    "\"gelu\", \"silu\"",
  })
  void refusesFieldsOutOfRange(String old, String replacement) {
    assertTrue(MINILM.contains(old), old);
    String message =
        assertThrows(ModelFileException.class, () -> parse(MINILM.replace(old, replacement)))
            .getMessage();
    assertFalse(message.contains("\n"), message);
    assertTrue(message.contains("config.json"), message);
  }

  @Test
  void neitherKindIsTakenForTheOther() {
    Path encoder = temp.resolve("encoder");
    Path decoder = temp.resolve("decoder");
    TinyModels.write(TinyModels.bert(), encoder).close();
    TinyModels.write(TinyModels.llama(), decoder).close();
    String message =
        assertThrows(ModelFileException.class, () -> ModelFolder.open(encoder)).getMessage();
    assertTrue(message.contains("is an encoder") && message.contains("smollm2-135m"), message);
    assertFalse(message.contains("\n"));
    message =
        assertThrows(ModelFileException.class, () -> EncoderFolder.open(decoder)).getMessage();
    assertTrue(message.contains("writes text") && message.contains("minilm"), message);
    assertFalse(message.contains("\n"));
    message =
        assertThrows(ModelFileException.class, () -> EncoderFolder.open(temp.resolve("none")))
            .getMessage();
    assertTrue(message.contains("no such model folder"), message);
  }

  /** A folder whose tensors were changed after writing. */
  private Path rewritten(String name, Consumer<Map<String, Tensor>> change) {
    Path path = temp.resolve(name);
    try (TensorArena arena = new TensorArena()) {
      TinyModels.write(TinyModels.bert(), path).close();
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      try (Safetensors file = Safetensors.open(path.resolve("model.safetensors"))) {
        for (String tensor : file.names()) {
          Tensor copy = arena.allocate(DType.F32, file.shape(tensor));
          tensors.put(tensor, copy.copyFrom(file.tensor(tensor)));
        }
      }
      change.accept(tensors);
      Safetensors.write(path.resolve("model.safetensors"), tensors, Map.of());
    }
    return path;
  }

  /** As sentence-transformers writes it: bare names, a pooler, and the positions as integers. */
  @Test
  void namesWithoutPrefixAreReadAndWhatIsNoWeightIsNot() {
    Path path =
        rewritten(
            "bare",
            tensors -> {
              for (String name : tensors.keySet().toArray(new String[0])) {
                assertTrue(name.startsWith("bert."), name);
                tensors.put(name.substring(5), tensors.remove(name));
              }
              Tensor matrix = tensors.get("encoder.layer.0.attention.self.query.weight");
              tensors.put("pooler.dense.weight", matrix);
              tensors.put("embeddings.position_ids", matrix);
            });
    try (EncoderFolder bare = EncoderFolder.open(path);
        EncoderFolder full = TinyModels.write(TinyModels.bert(), temp.resolve("full"))) {
      assertEquals(Optional.empty(), bare.tokenizer());
      assertEquals(67, bare.weight(Role.EMBEDDING, 0).rows());
      assertArrayEquals(new long[] {80}, bare.bias(Role.UP, 1).orElseThrow().shape());
      assertEquals(full.weight(Role.DOWN, 1).get(5, 7), bare.weight(Role.DOWN, 1).get(5, 7));
    }
  }

  @Test
  void refusesWeightsThatAreNotTheConfigurations() {
    Path foreign =
        rewritten(
            "foreign", t -> t.put("classifier.weight", t.get("bert.embeddings.LayerNorm.bias")));
    String message =
        assertThrows(ModelFileException.class, () -> EncoderFolder.open(foreign)).getMessage();
    assertTrue(message.contains("does not belong to this bert"), message);
    Path missing =
        rewritten(
            "missing",
            t ->
                t.put(
                    "bert.pooler.dense.weight",
                    t.remove("bert.encoder.layer.1.attention.self.key.weight")));
    message =
        assertThrows(ModelFileException.class, () -> EncoderFolder.open(missing)).getMessage();
    assertTrue(message.contains("key.weight' is missing"), message);
  }

  @Test
  void theDigestIsThatOfTheNumbers() {
    Path path = rewritten("changed", t -> t.get("bert.embeddings.LayerNorm.bias").set(0, 5));
    try (EncoderFolder changed = EncoderFolder.open(path);
        EncoderFolder one = TinyModels.write(TinyModels.bert(), temp.resolve("one"));
        EncoderFolder same = TinyModels.write(TinyModels.bert(), temp.resolve("same"))) {
      assertEquals(one.digest(), same.digest());
      assertFalse(one.digest().equals(changed.digest()));
    }
  }
}
