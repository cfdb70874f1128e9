package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Damage;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;

/** What was tuned, on disk and back, in every way. */
class TunedFolderTest {
  static final List<TuningMethod> METHODS =
      List.of(
          new TuningMethod.Lora(3, 6, EnumSet.of(Role.ATTENTION_OUTPUT, Role.DOWN)),
          new TuningMethod.Prompt(5),
          new TuningMethod.Bias(EnumSet.of(Role.UP, Role.DOWN)),
          new TuningMethod.Bias(Set.of()));

  @TempDir Path temp;
  private final Kernels kernels = new ReferenceKernels();

  static Stream<Arguments> cases() {
    return Stream.of(TinyModels.llama(true), TinyModels.llama(false), TinyModels.gpt2())
        .flatMap(base -> METHODS.stream().map(method -> Arguments.of(base, method)));
  }

  private ModelFolder model(DecoderConfig base) {
    Path path = temp.resolve("model-" + base.family() + base.tiedHead());
    if (!Files.exists(path)) {
      try (TensorArena arena = new TensorArena()) {
        TinyModels.write(path, base, 3, arena);
      }
    }
    return ModelFolder.open(path);
  }

  /** A model at the start of training, with random parameters that single precision holds. */
  private TunedDecoder tuned(DecoderConfig base, TuningMethod method) {
    SplittableRandom random = new SplittableRandom(1);
    try (ModelFolder model = model(base)) {
      TunedDecoder tuned = TunedDecoder.begin(model, kernels, 8, method, random);
      for (long i = 0; i < tuned.tuned().size(); i++) {
        tuned.tuned().parameters().set(i, (float) random.nextGaussian());
      }
      tuned.tuned().pack();
      return tuned;
    }
  }

  private Path write(DecoderConfig base, TuningMethod method) {
    Path path = temp.resolve("tuned");
    try (TunedDecoder tuned = tuned(base, method)) {
      tuned.write(path, "some/base");
    }
    return path;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void givesBackWhatWasWritten(DecoderConfig base, TuningMethod method) {
    Path path = write(base, method);
    try (ModelFolder model = model(base);
        TunedDecoder written = tuned(base, method);
        TunedFolder folder = TunedFolder.open(path, base);
        TunedDecoder read = TunedDecoder.open(model, kernels, 8, path)) {
      assertEquals("some/base", folder.baseModel());
      assertEquals(written.tuned().method(), folder.method());
      assertEquals(written.tuned().method(), read.tuned().method());
      assertEquals(8 + method.promptTokens(), read.decoder().maxPositions());
      for (long i = 0; i < written.tuned().size(); i++) {
        assertEquals(written.tuned().parameters().get(i), read.tuned().parameters().get(i));
      }
      assertFalse(read.tuned().parameters().get(0) == 0);
    }
  }

  /** What training begins with changes nothing, but for a prompt, which is there. */
  @ParameterizedTest
  @FieldSource("METHODS")
  void theStartIsTheBaseModelOrARandomPrompt(TuningMethod method) {
    try (ModelFolder model = model(TinyModels.llama(true));
        TunedDecoder begun =
            TunedDecoder.begin(model, kernels, 8, method, new SplittableRandom(4))) {
      double square = 0;
      for (long i = 0; i < begun.tuned().size(); i++) {
        square += Math.pow(begun.tuned().parameters().get(i), 2);
      }
      double mean = square / begun.tuned().size();
      if (method instanceof TuningMethod.Prompt) {
        double spread = begun.decoder().embeddingSpread();
        assertTrue(mean > spread * spread / 3 && mean < 3 * spread * spread, mean + ", " + spread);
      } else if (method instanceof TuningMethod.Bias) {
        assertEquals(0, mean);
      }
      assertEquals(method.promptTokens() + 2, begun.behindPrompt(new int[2]).length);
      assertEquals(2, begun.base().behindPrompt(new int[2]).length);
    }
  }

  @Test
  void aSoftPromptIsWrittenAsPeftDoes() throws IOException {
    Path path = write(TinyModels.llama(true), new TuningMethod.Prompt(5));
    JsonNode json = new ObjectMapper().readTree(path.resolve("adapter_config.json").toFile());
    assertEquals("PROMPT_TUNING", json.get("peft_type").asText());
    assertEquals("CAUSAL_LM", json.get("task_type").asText());
    assertEquals(5, json.get("num_virtual_tokens").asInt());
    assertEquals(8, json.get("token_dim").asInt());
    assertEquals(1, json.get("num_transformer_submodules").asInt());
    assertEquals(2, json.get("num_attention_heads").asInt());
    assertEquals(2, json.get("num_layers").asInt());
    try (Safetensors file = Safetensors.open(path.resolve("adapter_model.safetensors"))) {
      assertEquals(Set.of("prompt_embeddings"), file.names());
    }
  }

  @Test
  void biasVectorsAreNamedByTheirLayers() throws IOException {
    Path path = write(TinyModels.gpt2(), METHODS.get(2));
    JsonNode json = new ObjectMapper().readTree(path.resolve("adapter_config.json").toFile());
    assertEquals("PALIMPSEST_BIAS", json.get("peft_type").asText());
    assertEquals("[\"c_fc\",\"mlp.c_proj\"]", json.get("target_modules").toString());
    try (Safetensors file = Safetensors.open(path.resolve("adapter_model.safetensors"))) {
      assertEquals(4, file.names().size());
      String name = "base_model.model.transformer.h.1.mlp.c_fc.added_bias";
      assertEquals(32, file.tensor(name).size());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1|\"PROMPT_TUNING\"|\"PREFIX_TUNING\"|peft_type is none of",
        "1|\"PROMPT_TUNING\"|7|peft_type is none of",
        "1|\"num_virtual_tokens\" : 5|\"num_virtual_tokens\" : 4|not [4, 8]",
        "1|\"num_virtual_tokens\" : 5|\"num_virtual_tokens\" : 0|num_virtual_tokens is not in 1",
        "1|\"num_virtual_tokens\" : 5|\"num_virtual_tokens\" : 16|is not in 1 .. 15",
        "1|\"num_virtual_tokens\" : 5|\"num_virtual_tokens\" : 2147483648|not an integer",
        "1|\"num_virtual_tokens\" : 5|\"num_virtual_tokens\" : 5.5|not an integer",
        "1|\"token_dim\" : 8|\"token_dim\" : 4|token_dim is not",
        "1|\"num_transformer_submodules\" : 1|\"num_transformer_submodules\" : 2|submodules",
        "1|\"PROMPT_TUNING\"|\"PALIMPSEST_BIAS\"|target_modules is not a list",
        "2|\"PALIMPSEST_BIAS\"|\"PROMPT_TUNING\"|num_virtual_tokens is not",
        "2|\"PALIMPSEST_BIAS\"|\"LORA\"|r is not an integer",
        "2|[ \"up_proj\", \"down_proj\" ]|[ ]|target_modules is empty",
        "2|[ \"up_proj\", \"down_proj\" ]|\"up_proj\"|not a list",
        "2|\"up_proj\", |''|is none that this method has",
        "2|\"up_proj\"|\"up_proj\", \"q_proj\"|is missing",
        "2|\"up_proj\"|\"lm_head\"|no linear layer"
      })
  void refusesWhatItCannotHonour(int method, String old, String changed, String problem)
      throws IOException {
    Path path = write(TinyModels.llama(true), METHODS.get(method));
    Path config = path.resolve(PeftFiles.CONFIG);
    String text = Files.readString(config);
    assertTrue(text.contains(old), text);
    Files.writeString(config, text.replace(old, changed));
    String message =
        assertThrows(
                ModelFileException.class,
                () -> TunedFolder.open(path, TinyModels.llama(true)).close())
            .getMessage();
    assertTrue(message.contains(problem), message);
    assertEquals(1, message.lines().count(), message);
  }

  /** The same files beside another base model; a prompt fits every model of its width. */
  @Test
  void anotherBaseModelIsRefused() {
    for (TuningMethod method : METHODS.subList(2, 4)) {
      Path path = write(TinyModels.llama(true), method);
      assertThrows(
          ModelFileException.class, () -> TunedFolder.open(path, TinyModels.gemma()).close());
      try (TunedFolder folder = TunedFolder.open(path, TinyModels.llama(true));
          TunedDecoder other = tuned(TinyModels.llama(true), METHODS.getFirst())) {
        assertThrows(IllegalArgumentException.class, () -> folder.copyTo(other.tuned()));
      }
      AtomicFiles.deleteTree(path);
    }
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  void damagedConfigurationsNeverFailOtherwise(TuningMethod method) throws IOException {
    DecoderConfig base = TinyModels.llama(true);
    Path path = write(base, method);
    Path config = path.resolve(PeftFiles.CONFIG);
    byte[] good = Files.readAllBytes(config);
    Random random = new Random(13);
    for (int round = 0; round < 300; round++) {
      Files.write(config, Damage.apply(good, good.length, random));
      try (TunedFolder folder = TunedFolder.open(path, base)) {
        assertEquals(method.parameterCount(base), folder.method().parameterCount(base));
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
  }

  @Test
  void aModelIsTunedByWhatItHas() {
    try (ModelFolder model = model(TinyModels.llama(true))) {
      for (TuningMethod method :
          List.of(
              new TuningMethod.Bias(EnumSet.of(Role.QUERY_KEY_VALUE)),
              new TuningMethod.Lora(2, 4, EnumSet.of(Role.QUERY_KEY_VALUE)),
              new TuningMethod.Prompt(9))) {
        assertThrows(
            IllegalArgumentException.class,
            () -> TunedDecoder.begin(model, kernels, 8, method, new SplittableRandom(1)),
            method.toString());
      }
    }
    assertThrows(
        IllegalArgumentException.class, () -> new TuningMethod.Bias(EnumSet.of(Role.HEAD)));
    assertThrows(IllegalArgumentException.class, () -> new TuningMethod.Prompt(0));
    assertThrows(IllegalArgumentException.class, () -> new TuningMethod.Prompt(4097));
    assertThrows(IllegalArgumentException.class, () -> TuningMethod.Lora.of(0));
  }
}
