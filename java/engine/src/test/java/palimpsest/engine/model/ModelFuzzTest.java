package palimpsest.engine.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Gguf;
import palimpsest.engine.weights.GgufBuilder;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.testing.FuzzFormat;
import palimpsest.testing.FuzzTests;

/**
 * What stands beside the weights: configuration, adapter, and the tokenizer and model of a GGUF.
 */
class ModelFuzzTest extends FuzzTests {
  private static final DecoderConfig BASE = TinyModels.llama(true);
  private static final int RANK = 3;

  ModelFuzzTest() throws IOException {}

  @Override
  protected List<FuzzFormat> formats() throws IOException {
    Path adapter = folder.resolve("adapter");
    writeAdapter(adapter);
    byte[] config = Files.readAllBytes(adapter.resolve(AdapterFolder.CONFIG));
    byte[] weights = Files.readAllBytes(adapter.resolve(AdapterFolder.WEIGHTS));
    Path prompt = tuned("prompt", new TuningMethod.Prompt(4));
    Path bias = tuned("bias", new TuningMethod.Bias(EnumSet.of(Role.UP, Role.DOWN)));
    return List.of(
        FuzzFormat.of("config", this::config, ModelFileException.class)
            .from(json(TinyModels.llama(false)), json(TinyModels.gpt2()), json(TinyModels.gemma()))
            .from(
                json(TinyModels.gpt2())
                    .replaceFirst("\"n_embd\".*\n", "\"n_embd\" : 1073741824,\n")),
        FuzzFormat.of(
                "adapter-config", file -> open(adapter, file, weights), ModelFileException.class)
            .from(config),
        FuzzFormat.of(
                "adapter-weights",
                header -> open(adapter, config, safetensors(header, numbers(weights))),
                ModelFileException.class)
            .from(header(weights)),
        tunedConfig("prompt-config", prompt),
        tunedWeights("prompt-weights", prompt),
        tunedConfig("bias-config", bias),
        tunedWeights("bias-weights", bias),
        FuzzFormat.of("gguf-tokenizer", this::tokenizer, ModelFileException.class)
            .from(
                "gpt2 smollm\n3 <|end|>\n1 a\n1 b\n1 Ġ\n1 ab\n1 Ġab\n\na b\nĠ ab",
                "llama gpt-2\n39<unk>\n39<bos>\n69<0x41>\n49\u2581\n11ab\n13a\n12b\n10aba\n\n"),
        FuzzFormat.of("gguf-import", this::importGguf, ModelFileException.class)
            .from(TinyGguf.bytes(), TinyGguf.gemma().bytes()));
  }

  private String json(DecoderConfig config) throws IOException {
    Path path = folder.resolve("seed.json");
    config.toJson(path, DType.F32);
    return Files.readString(path);
  }

  private static void writeAdapter(Path path) {
    try (TensorArena arena = new TensorArena()) {
      AdapterFolder.write(
          path,
          BASE,
          new AdapterFolder.Settings(RANK, 6, false, EnumSet.of(Role.QUERY, Role.DOWN), "base"),
          (role, _) ->
              new AdapterFolder.Factors(
                  arena.allocate(DType.F32, RANK, Adapter.inputWidth(BASE, role)),
                  arena.allocate(DType.F32, Adapter.outputWidth(BASE, role), RANK)));
    }
  }

  private Path tuned(String name, TuningMethod method) {
    Path path = folder.resolve(name);
    Path model = folder.resolve(name + "-model");
    try (TensorArena arena = new TensorArena()) {
      TinyModels.write(model, BASE, 1, arena);
    }
    try (ModelFolder base = ModelFolder.open(model);
        TunedDecoder begun =
            TunedDecoder.begin(base, new ReferenceKernels(), 4, method, new SplittableRandom(1))) {
      begun.write(path, "base");
    }
    return path;
  }

  private FuzzFormat tunedConfig(String name, Path tuned) throws IOException {
    byte[] weights = Files.readAllBytes(tuned.resolve(PeftFiles.WEIGHTS));
    return FuzzFormat.of(name, file -> openTuned(tuned, file, weights), ModelFileException.class)
        .from(Files.readAllBytes(tuned.resolve(PeftFiles.CONFIG)));
  }

  private FuzzFormat tunedWeights(String name, Path tuned) throws IOException {
    byte[] config = Files.readAllBytes(tuned.resolve(PeftFiles.CONFIG));
    byte[] weights = Files.readAllBytes(tuned.resolve(PeftFiles.WEIGHTS));
    return FuzzFormat.of(
            name,
            header -> openTuned(tuned, config, safetensors(header, numbers(weights))),
            ModelFileException.class)
        .from(header(weights));
  }

  private static Object openTuned(Path tuned, byte[] config, byte[] weights) throws IOException {
    Files.write(tuned.resolve(PeftFiles.CONFIG), config);
    Files.write(tuned.resolve(PeftFiles.WEIGHTS), weights);
    try (TunedFolder opened = TunedFolder.open(tuned, BASE)) {
      return opened.method().parameterCount(BASE);
    }
  }

  private Object config(byte[] file) throws IOException {
    Path path = folder.resolve("config.json");
    Files.write(path, file);
    return DecoderConfig.fromJson(path).parameterCount();
  }

  private static Object open(Path adapter, byte[] config, byte[] weights) throws IOException {
    Files.write(adapter.resolve(AdapterFolder.CONFIG), config);
    Files.write(adapter.resolve(AdapterFolder.WEIGHTS), weights);
    try (AdapterFolder opened = AdapterFolder.open(adapter, BASE)) {
      return opened.settings();
    }
  }

  /**
   * A first line with the model and the pre-tokenizer; a line for each token with a digit for its
   * type, a character for its score and its text; an empty line; a line for each merge.
   */
  private Object tokenizer(byte[] file) throws IOException {
    String[] parts = new String(file, StandardCharsets.UTF_8).split("\n\n", 2);
    List<String> lines = parts[0].lines().toList();
    String[] names = (lines.isEmpty() ? "" : lines.getFirst()).split(" ", 2);
    List<String> tokens =
        lines.stream().skip(1).filter(line -> line.length() > 1).limit(1000).toList();
    float[] scores = new float[tokens.size()];
    int[] types = new int[tokens.size()];
    for (int i = 0; i < types.length; i++) {
      types[i] = tokens.get(i).charAt(0) - '0';
      scores[i] = '0' - tokens.get(i).charAt(1);
    }
    GgufBuilder builder =
        new GgufBuilder()
            .set("tokenizer.ggml.model", names[0])
            .set("tokenizer.ggml.pre", names.length > 1 ? names[1] : "")
            .set(
                "tokenizer.ggml.tokens",
                tokens.stream().map(line -> line.substring(2)).toArray(String[]::new))
            .set("tokenizer.ggml.token_type", types)
            .set("tokenizer.ggml.scores", scores)
            .set("tokenizer.ggml.unknown_token_id", 0)
            .set(
                "tokenizer.ggml.merges",
                (parts.length > 1 ? parts[1] : "").lines().toArray(String[]::new))
            .tensor(
                "token_embd.weight",
                new float[Math.max(1, types.length)],
                Math.max(1, types.length),
                1);
    Path path = folder.resolve("tokenizer.gguf");
    Files.write(path, builder.bytes());
    try (Gguf gguf = Gguf.open(path)) {
      return GgufTokenizer.json(gguf).length;
    }
  }

  /** What is imported can be opened. */
  private Object importGguf(byte[] file) throws IOException {
    Path path = folder.resolve("x.gguf");
    Path imported = folder.resolve("imported");
    Files.write(path, file);
    try {
      GgufImport.importTo(path, imported);
      try (ModelFolder model = ModelFolder.open(imported)) {
        return model.config();
      } catch (ModelFileException e) {
        throw new AssertionError("imported, and then refused", e);
      }
    } finally {
      AtomicFiles.deleteTree(imported);
    }
  }
}
