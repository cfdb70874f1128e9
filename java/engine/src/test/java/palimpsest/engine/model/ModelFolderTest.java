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
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;
import palimpsest.testing.Shared;

class ModelFolderTest {
  @TempDir Path temp;

  private static void assertSame(Tensor expected, Tensor actual) {
    assertArrayEquals(expected.shape(), actual.shape());
    for (long row = 0; row < expected.rows(); row++) {
      for (long col = 0; col < expected.cols(); col++) {
        assertEquals(expected.get(row, col), actual.get(row, col));
      }
    }
  }

  @Test
  void readsPublishedGpt2() {
    try (ModelFolder model = ModelFolder.open(Shared.file("data/weights/capp_gpt2"));
        TensorArena arena = new TensorArena()) {
      Tensor fused = model.weight(Role.QUERY_KEY_VALUE, 3);
      assertArrayEquals(new long[] {64, 192}, fused.shape());
      assertTrue(model.inputMajor(Role.QUERY_KEY_VALUE));
      Tensor whole = model.linear(Role.QUERY_KEY_VALUE, 3, arena);
      assertArrayEquals(new long[] {192, 64}, whole.shape());
      Tensor key = model.linear(Role.KEY, 3, arena);
      assertSame(whole.rows(64, 64), key);
      assertEquals(fused.get(5, 64 + 7), key.get(7, 5));
      Tensor valueBias = model.bias(Role.VALUE, 3).orElseThrow();
      assertArrayEquals(new long[] {64}, valueBias.shape());
      assertEquals(
          model.bias(Role.QUERY_KEY_VALUE, 3).orElseThrow().get(128 + 9), valueBias.get(9));
      assertSame(model.weight(Role.EMBEDDING, 0), model.weight(Role.HEAD, 0));
      assertTrue(model.bias(Role.ATTENTION_NORM, 0).isPresent());
      assertThrows(IllegalArgumentException.class, () -> model.weight(Role.GATE, 0));
      assertThrows(IllegalArgumentException.class, () -> model.weight(Role.UP, 4));
    }
  }

  @Test
  void givesBackWhatWasWritten() {
    for (DecoderConfig config :
        new DecoderConfig[] {
          TinyModels.llama(true), TinyModels.llama(false), TinyModels.gpt2(), TinyModels.gemma()
        }) {
      Path path = temp.resolve(config.family() + config.tiedHead());
      try (TensorArena arena = new TensorArena()) {
        ModelFolder.Values written = TinyModels.write(path, config, 5, arena);
        try (ModelFolder model = ModelFolder.open(path)) {
          assertEquals(config, model.config());
          assertEquals(Optional.empty(), model.tokenizer());
          for (TensorNames.Slot slot : TensorNames.of(config).slots()) {
            Tensor expected = written.get(slot.role(), slot.layer(), slot.bias());
            assertSame(
                expected,
                slot.bias()
                    ? model.bias(slot.role(), slot.layer()).orElseThrow()
                    : model.linear(slot.role(), slot.layer(), arena));
          }
        }
      }
    }
  }

  @Test
  void namesWithoutPrefixAreReadToo() throws IOException {
    Path path = temp.resolve("bare");
    rewritten(
        path,
        TinyModels.gpt2(),
        tensors -> {
          for (String name : tensors.keySet().toArray(new String[0])) {
            tensors.put(name.replace("transformer.", ""), tensors.remove(name));
          }
          tensors.put("h.0.attn.bias", tensors.get("wpe.weight"));
        });
    try (ModelFolder model = ModelFolder.open(path)) {
      assertEquals(11, model.weight(Role.EMBEDDING, 0).rows());
    }
  }

  /** A folder whose tensors were changed after writing. */
  private void rewritten(Path path, DecoderConfig config, Consumer<Map<String, Tensor>> change) {
    try (TensorArena arena = new TensorArena()) {
      TinyModels.write(path, config, 6, arena);
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      try (Safetensors file = Safetensors.open(path.resolve("model.safetensors"))) {
        for (String name : file.names()) {
          Tensor copy = arena.allocate(DType.F32, file.shape(name));
          tensors.put(name, copy.copyFrom(file.tensor(name)));
        }
      }
      change.accept(tensors);
      Safetensors.write(path.resolve("model.safetensors"), tensors, Map.of());
    }
  }

  private String refusal(String name, Consumer<Map<String, Tensor>> change) {
    Path path = temp.resolve(name);
    rewritten(path, TinyModels.llama(true), change);
    return refusal(path);
  }

  private static String refusal(Path path) {
    String message =
        assertThrows(ModelFileException.class, () -> ModelFolder.open(path).close()).getMessage();
    assertFalse(message.contains("\n"), message);
    return message;
  }

  @Test
  void refusesWeightsThatAreNotTheConfigurations() {
    String foreign =
        refusal(
            "foreign", t -> t.put("model.layers.0.mlp.router.weight", t.get("model.norm.weight")));
    assertTrue(foreign.contains("router.weight' does not belong to this llama"), foreign);
    String missing =
        refusal(
            "missing",
            t -> t.put("lm_head.weight", t.remove("model.layers.1.self_attn.k_proj.weight")));
    assertTrue(missing.contains("k_proj.weight' is missing"), missing);
    String shape =
        refusal(
            "shape",
            t ->
                t.computeIfPresent(
                    "model.layers.1.self_attn.k_proj.weight", (n, old) -> old.reshape(8, 4)));
    assertTrue(shape.contains("has shape [8, 4], config.json asks for [4, 8]"), shape);
    String integers =
        refusal(
            "integers",
            t ->
                t.computeIfPresent(
                    "model.norm.weight", (n, old) -> Tensor.of(old.data(), DType.I32, 8)));
    assertTrue(integers.contains("type I32"), integers);
  }

  @Test
  void refusesAConfigurationThatAsksForTerabytes() throws IOException {
    Path path = temp.resolve("greedy");
    try (TensorArena arena = new TensorArena()) {
      TinyModels.write(path, TinyModels.llama(true), 7, arena);
    }
    Path config = path.resolve(ModelFolder.CONFIG);
    Files.writeString(
        config,
        Files.readString(config)
            .replace("\"hidden_size\" : 8", "\"hidden_size\" : 65536")
            .replace("\"intermediate_size\" : 12", "\"intermediate_size\" : 1048576")
            .replace("\"num_hidden_layers\" : 2", "\"num_hidden_layers\" : 1024"));
    long before = System.nanoTime();
    String message = refusal(path);
    assertTrue(message.contains("config.json describes 2"), message);
    assertTrue(message.contains("parameters, the weights hold"), message);
    assertTrue(
        System.nanoTime() - before < 5_000_000_000L, "refused without reading or allocating");
  }

  @Test
  void refusesFoldersThatAreNoModel() {
    assertTrue(refusal(temp.resolve("gone")).contains("no such model folder"));
    assertTrue(refusal(temp).contains("no such file"));
  }

  @Test
  void neverWritesOverAFolder() throws IOException {
    Path path = temp.resolve("taken");
    Files.createDirectory(path);
    Files.writeString(path.resolve("mine"), "mine");
    try (TensorArena arena = new TensorArena()) {
      String message =
          assertThrows(
                  ModelFileException.class,
                  () -> TinyModels.write(path, TinyModels.gpt2(), 1, arena))
              .getMessage();
      assertTrue(message.contains("already there"), message);
    }
    assertEquals("mine", Files.readString(path.resolve("mine")));
    try (var files = Files.list(temp)) {
      assertEquals(1, files.count(), "no part of a folder is left");
    }
  }
}
