package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class SafetensorsFolderTest {
  @TempDir Path folder;

  private void shard(String file, String... names) {
    try (TensorArena arena = new TensorArena()) {
      LinkedHashMap<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : names) {
        tensors.put(name, arena.allocate(DType.F32, 2).fill(name.hashCode()));
      }
      Safetensors.write(folder.resolve(file), tensors, Map.of());
    }
  }

  private void index(String map) throws IOException {
    Files.writeString(
        folder.resolve(SafetensorsFolder.INDEX), "{\"metadata\":{},\"weight_map\":" + map + "}");
  }

  private String refusal() {
    return assertThrows(ModelFileException.class, () -> SafetensorsFolder.open(folder).close())
        .getMessage();
  }

  @Test
  void joinsShards() throws IOException {
    shard("model-00001-of-00002.safetensors", "a", "b");
    shard("model-00002-of-00002.safetensors", "c");
    index(
        """
        {"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors",
         "c":"model-00002-of-00002.safetensors"}\
        """);
    try (SafetensorsFolder weights = SafetensorsFolder.open(folder)) {
      assertEquals(Set.of("a", "b", "c"), weights.names());
      assertEquals("c".hashCode(), weights.tensor("c").get(1));
      assertEquals("b".hashCode(), weights.tensor("b").get(0));
      assertThrows(ModelFileException.class, () -> weights.tensor("d"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../a.safetensors",
        "/etc/a.safetensors",
        "x/a.safetensors",
        "a.bin",
        "a\\n.safetensors",
        ""
      })
  void refusesNamesThatAreNotPlain(String name) throws IOException {
    shard("a.safetensors", "a");
    index("{\"a\":\"" + name + "\"}");
    assertTrue(refusal().contains("plain name"), refusal());
  }

  @Test
  void refusesLinksMissingShardsAndForeignTensors() throws IOException {
    shard("real.safetensors", "a");
    Files.createSymbolicLink(
        folder.resolve("link.safetensors"), folder.resolve("real.safetensors"));
    index("{\"a\":\"link.safetensors\"}");
    assertTrue(refusal().contains("no regular file"), refusal());
    index("{\"a\":\"gone.safetensors\"}");
    assertTrue(refusal().contains("no regular file"), refusal());
    index("{\"b\":\"real.safetensors\"}");
    assertTrue(refusal().contains("has no tensor 'b'"), refusal());
    index("{}");
    try (SafetensorsFolder weights = SafetensorsFolder.open(folder)) {
      assertTrue(weights.names().isEmpty());
    }
  }

  @Test
  void refusesATensorInTwoShards() throws IOException {
    shard("one.safetensors", "a", "b");
    shard("two.safetensors", "b", "c");
    index("{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\",\"c\":\"two.safetensors\"}");
    assertTrue(refusal().contains("'b' of two.safetensors is not listed"), refusal());
  }

  @Test
  void refusesAFolderWithoutWeights() throws IOException {
    assertTrue(refusal().contains("holds neither"), refusal());
    Files.writeString(
        folder.resolve(SafetensorsFolder.INDEX), "{\"weight_map\":{},\"weight_map\":{}}");
    assertTrue(refusal().contains("not valid JSON"), refusal());
    Files.writeString(folder.resolve(SafetensorsFolder.INDEX), "[]");
    assertTrue(refusal().contains("not a JSON object"), refusal());
  }
}
