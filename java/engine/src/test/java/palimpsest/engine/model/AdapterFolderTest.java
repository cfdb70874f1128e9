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
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.model.AdapterFolder.Factors;
import palimpsest.engine.model.AdapterFolder.Settings;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.Damage;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;

class AdapterFolderTest {
  @TempDir Path temp;

  private static double number(int layer, Role role, boolean b, long i) {
    return layer + role.ordinal() * 0.25 + (b ? 100 : 0) + i * 0.001;
  }

  /** Shapes by role of a model of width 8: q 8, k and v 4 (Llama), hidden 12. */
  private static long[] inOut(DecoderConfig base, Role role) {
    long width = base.width();
    long hidden = base.feedForward().width();
    return switch (role) {
      case QUERY_KEY_VALUE -> new long[] {width, 3 * width};
      case QUERY -> new long[] {width, base.attention().queryWidth()};
      case KEY, VALUE -> new long[] {width, base.attention().keyWidth()};
      case ATTENTION_OUTPUT -> new long[] {base.attention().queryWidth(), width};
      case GATE, UP -> new long[] {width, hidden};
      case DOWN -> new long[] {hidden, width};
      default -> throw new IllegalArgumentException(role.toString());
    };
  }

  private static Factors factors(DecoderConfig base, Role role, int layer, TensorArena arena) {
    long[] inOut = inOut(base, role);
    Tensor a = arena.allocate(DType.F32, 3, inOut[0]);
    Tensor b = arena.allocate(DType.F32, inOut[1], 3);
    for (long i = 0; i < a.size(); i++) {
      a.set(i, number(layer, role, false, i));
    }
    for (long i = 0; i < b.size(); i++) {
      b.set(i, number(layer, role, true, i));
    }
    return new Factors(a, b);
  }

  private Path write(DecoderConfig base, Role first, Role... rest) {
    Path path = temp.resolve("adapter");
    Settings settings = new Settings(3, 6, false, EnumSet.of(first, rest), "some/base");
    try (TensorArena arena = new TensorArena()) {
      AdapterFolder.write(path, base, settings, (role, layer) -> factors(base, role, layer, arena));
    }
    return path;
  }

  private static final Role[] LLAMA_ALL = {
    Role.KEY, Role.VALUE, Role.ATTENTION_OUTPUT, Role.GATE, Role.UP, Role.DOWN
  };

  @Test
  void llamaAdapterHasPeftsNames() throws IOException {
    Path path = write(TinyModels.llama(true), Role.QUERY, LLAMA_ALL);
    JsonNode json = new ObjectMapper().readTree(path.resolve("adapter_config.json").toFile());
    assertEquals("LORA", json.get("peft_type").asText());
    assertEquals("CAUSAL_LM", json.get("task_type").asText());
    assertEquals("some/base", json.get("base_model_name_or_path").asText());
    assertEquals(3, json.get("r").asInt());
    assertEquals("6", json.get("lora_alpha").toString());
    Set<String> targets = new TreeSet<>();
    json.get("target_modules").forEach(name -> targets.add(name.asText()));
    assertEquals(
        Set.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        targets);
    try (Safetensors file = Safetensors.open(path.resolve("adapter_model.safetensors"))) {
      assertEquals(2 * 7 * 2, file.names().size());
      Tensor a = file.tensor("base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight");
      assertEquals("F32[3, 8]", a.toString());
      Tensor b = file.tensor("base_model.model.model.layers.1.mlp.gate_proj.lora_B.weight");
      assertEquals("F32[12, 3]", b.toString());
    }
  }

  @Test
  void gpt2AdapterNamesEachProjectionApart() throws IOException {
    Path path = write(TinyModels.gpt2(), Role.QUERY_KEY_VALUE, Role.ATTENTION_OUTPUT);
    JsonNode json = new ObjectMapper().readTree(path.resolve("adapter_config.json").toFile());
    assertTrue(json.get("fan_in_fan_out").asBoolean());
    assertEquals("[\"c_attn\",\"attn.c_proj\"]", json.get("target_modules").toString());
    try (Safetensors file = Safetensors.open(path.resolve("adapter_model.safetensors"));
        AdapterFolder adapter = AdapterFolder.open(path, TinyModels.gpt2())) {
      String name = "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight";
      assertEquals("F32[24, 3]", file.tensor(name).toString());
      assertEquals(
          EnumSet.of(Role.QUERY_KEY_VALUE, Role.ATTENTION_OUTPUT), adapter.settings().targets());
      assertThrows(IllegalArgumentException.class, () -> adapter.factors(Role.DOWN, 0));
    }
  }

  @Test
  void givesBackWhatWasWritten() {
    DecoderConfig base = TinyModels.llama(false);
    Path path = write(base, Role.QUERY, LLAMA_ALL);
    try (AdapterFolder adapter = AdapterFolder.open(path, base)) {
      assertEquals(2, adapter.settings().scale());
      for (Role role : adapter.settings().targets()) {
        for (int layer = 0; layer < 2; layer++) {
          Factors read = adapter.factors(role, layer);
          assertEquals((float) number(layer, role, false, 7), read.a().get(7));
          assertEquals((float) number(layer, role, true, 11), read.b().get(11));
        }
      }
    }
  }

  @Test
  void plainNameOfTwoLayersMeansBoth() throws IOException {
    Path path = write(TinyModels.gpt2(), Role.ATTENTION_OUTPUT, Role.DOWN);
    Path config = path.resolve(AdapterFolder.CONFIG);
    Files.writeString(
        config,
        Files.readString(config)
            .replace("\"attn.c_proj\"", "\"c_proj\"")
            .replace("\"mlp.c_proj\"", "\"c_proj\""));
    try (AdapterFolder adapter = AdapterFolder.open(path, TinyModels.gpt2())) {
      assertEquals(EnumSet.of(Role.ATTENTION_OUTPUT, Role.DOWN), adapter.settings().targets());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"LORA\"|\"IA3\"|peft_type",
        "\"bias\" : \"none\"|\"bias\" : \"all\"|bias",
        "\"r\" : 3|\"r\" : 4|not [4, 8]",
        "\"r\" : 3|\"r\" : 1000000000|adapter rank",
        "\"r\" : 3|\"r\" : \"3\"|r is not",
        "\"lora_alpha\" : 6|\"lora_alpha\" : -1|alpha",
        "\"q_proj\"|\"q_proj\", \"k_proj\"|is missing",
        "\"q_proj\"|\"v_proj\"|is missing",
        "\"q_proj\"|\".*\"|no linear layer",
        "\"modules_to_save\" : null|\"modules_to_save\" : [\"lm_head\"]|modules_to_save",
        "\"modules_to_save\" : null|\"modules_to_save\" : \"lm_head\"|modules_to_save",
        "\"modules_to_save\" : null|\"layers_to_transform\" : 1|layers_to_transform",
        "\"use_rslora\" : false|\"use_dora\" : true|use_dora",
        "\"use_rslora\" : false|\"rank_pattern\" : {\"q_proj\": 9}|rank_pattern"
      })
  void refusesWhatItCannotHonour(String old, String changed, String problem) throws IOException {
    Path path = write(TinyModels.llama(true), Role.QUERY);
    Path config = path.resolve(AdapterFolder.CONFIG);
    String text = Files.readString(config);
    assertTrue(text.contains(old), text);
    Files.writeString(config, text.replace(old, changed));
    String message = refusal(path);
    assertTrue(message.contains(problem), message);
  }

  private static String refusal(Path path) {
    return assertThrows(
            ModelFileException.class,
            () -> AdapterFolder.open(path, TinyModels.llama(true)).close())
        .getMessage();
  }

  @Test
  void damagedConfigurationsNeverFailOtherwise() throws IOException {
    Path path = write(TinyModels.llama(true), Role.QUERY);
    Path config = path.resolve(AdapterFolder.CONFIG);
    byte[] good = Files.readAllBytes(config);
    Random random = new Random(13);
    for (int round = 0; round < 500; round++) {
      Files.write(config, Damage.apply(good, good.length, random));
      try (AdapterFolder adapter = AdapterFolder.open(path, TinyModels.llama(true))) {
        assertTrue(adapter.settings().rank() == 3);
      } catch (ModelFileException e) {
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
  }
}
