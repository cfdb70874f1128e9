package palimpsest.engine.weights;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.FuzzFormat;
import palimpsest.testing.FuzzTests;

/** Files of weights: safetensors, index of shards, GGUF. */
class WeightsFuzzTest extends FuzzTests {
  private static final byte[] NUMBERS = new byte[32];
  private static final String HEADER =
      """
      {"__metadata__":{"format":"pt"},\
      "layers.0.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
      "layers.0.bias":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}\
      """;
  private static final String OTHER_HEADER =
      """
      {"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},\
      "b":{"dtype":"F8_E4M3","shape":[31,0,7],"data_offsets":[1,1]},\
      "c":{"dtype":"BOOL","shape":[1,31],"data_offsets":[1,32]}}\
      """;
  private static final String INDEX =
      """
      {"metadata":{"total_size":48},"weight_map":{\
      "a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",\
      "c":"model-00002-of-00002.safetensors"}}\
      """;

  WeightsFuzzTest() throws IOException {}

  @Override
  protected List<FuzzFormat> formats() throws IOException {
    Path shards = Files.createDirectories(folder.resolve("shards"));
    shard(shards.resolve("model-00001-of-00002.safetensors"), "a");
    shard(shards.resolve("model-00002-of-00002.safetensors"), "b", "c");
    return List.of(
        FuzzFormat.of("safetensors", this::read, ModelFileException.class)
            .from(file(HEADER), file(OTHER_HEADER)),
        FuzzFormat.of(
                "safetensors-header",
                header -> read(safetensors(header, NUMBERS)),
                ModelFileException.class)
            .from(HEADER, OTHER_HEADER),
        FuzzFormat.of("shard-index", file -> index(shards, file), ModelFileException.class)
            .from(INDEX, INDEX.replace("model-00001-of-00002", "../model"), "{\"weight_map\":{}}"),
        FuzzFormat.of("gguf", this::gguf, ModelFileException.class)
            .from(gguf().bytes(), gguf().set("general.alignment", 64).version(2).bytes()));
  }

  private static byte[] file(String header) {
    return safetensors(header.getBytes(StandardCharsets.UTF_8), NUMBERS);
  }

  private static void shard(Path path, String... names) throws IOException {
    StringBuilder header = new StringBuilder("{");
    int width = NUMBERS.length / names.length;
    for (int i = 0; i < names.length; i++) {
      header
          .append(i == 0 ? "" : ",")
          .append("\"%s\":{\"dtype\":\"I8\",\"shape\":[%d],".formatted(names[i], width))
          .append("\"data_offsets\":[%d,%d]}".formatted(i * width, (i + 1) * width));
    }
    Files.write(path, file(header.append('}').toString()));
  }

  private static GgufBuilder gguf() {
    return new GgufBuilder()
        .set("general.architecture", "llama")
        .set("general.epsilon", 1e-5f)
        .set("general.flag", true)
        .set("general.words", new String[] {"one", "", "drei é"})
        .set("general.types", new int[] {1, -3})
        .set("general.scores", new float[] {0.5f, -1e9f})
        .tensor("token_embd.weight", new float[64], 2, 32)
        .tensor("output_norm.weight", new float[256], 256);
  }

  private Object read(byte[] file) throws IOException {
    Path path = folder.resolve("x.safetensors");
    Files.write(path, file);
    try (Safetensors opened = Safetensors.open(path)) {
      return readAll(opened);
    }
  }

  private static Object index(Path shards, byte[] file) throws IOException {
    Files.write(shards.resolve(SafetensorsFolder.INDEX), file);
    try (SafetensorsFolder opened = SafetensorsFolder.open(shards)) {
      return readAll(opened);
    }
  }

  private static double readAll(TensorSource source) {
    double last = 0;
    for (String name : source.names()) {
      var tensor = source.tensor(name);
      for (long i = 0; i < tensor.size(); i++) {
        last = tensor.get(i);
      }
    }
    return last;
  }

  private Object gguf(byte[] file) throws IOException {
    Path path = folder.resolve("x.gguf");
    Files.write(path, file);
    try (Gguf opened = Gguf.open(path);
        TensorArena arena = new TensorArena()) {
      for (String name : opened.names()) {
        opened.dequantise(name, arena);
      }
      return opened.names().size();
    }
  }
}
