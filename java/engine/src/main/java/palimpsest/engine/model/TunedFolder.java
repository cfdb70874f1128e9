package palimpsest.engine.model;

import static palimpsest.engine.model.PeftFiles.require;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Safetensors;

/**
 * What was tuned, on disk: adapter_config.json and adapter_model.safetensors. Low-rank adapters and
 * soft prompts are in the formats of the PEFT library (LORA, PROMPT_TUNING). It has none for bias
 * vectors; theirs, PALIMPSEST_BIAS, follows its rules for names and targets ({@code
 * docs/methods.md}).
 *
 * <p>Opened, every tensor has been checked against the base model.
 */
public final class TunedFolder implements AutoCloseable {
  private static final String PROMPT_TYPE = "PROMPT_TUNING";
  private static final String PROMPT_TENSOR = "prompt_embeddings";
  private static final String BIAS_TYPE = "PALIMPSEST_BIAS";

  /**
   * A saved tensor and where it goes.
   *
   * @param place the part of the parameters that it is the values of
   */
  private record Value(Tensor saved, Function<Trainable, Tensor> place) {}

  private final TuningMethod method;
  private final String baseModel;
  private final List<Value> values;
  private final Runnable close;

  /**
   * @param close ends the mapping of the file
   */
  private TunedFolder(TuningMethod method, String baseModel, List<Value> values, Runnable close) {
    this.method = method;
    this.baseModel = baseModel;
    this.values = values;
    this.close = close;
  }

  /**
   * Opens what was tuned of a base model.
   *
   * @throws ModelFileException if a file is missing or malformed, does not fit the base model, or
   *     asks for something that is not supported
   */
  public static TunedFolder open(Path path, DecoderConfig base) {
    JsonNode config = PeftFiles.config(path);
    String type = config.path("peft_type").asText();
    return switch (type) {
      case AdapterFolder.TYPE -> openAdapter(path, base);
      case PROMPT_TYPE -> openPrompt(path, config, base);
      case BIAS_TYPE -> openBias(path, config, base);
      default ->
          throw new ModelFileException(
              path.resolve(PeftFiles.CONFIG)
                  + ": peft_type is none of "
                  + List.of(AdapterFolder.TYPE, PROMPT_TYPE, BIAS_TYPE));
    };
  }

  private static TunedFolder openAdapter(Path path, DecoderConfig base) {
    AdapterFolder saved = AdapterFolder.open(path, base);
    AdapterFolder.Settings settings = saved.settings();
    List<Value> values = new ArrayList<>();
    for (Role role : settings.targets()) {
      for (int layer = 0; layer < base.layers(); layer++) {
        int at = layer;
        AdapterFolder.Factors factors = saved.factors(role, at);
        values.add(new Value(factors.a(), tuned -> factor(tuned, role, at, Adapter::a)));
        values.add(new Value(factors.b(), tuned -> factor(tuned, role, at, Adapter::b)));
      }
    }
    // The engine scales by alpha / rank; a rank-stabilised adapter has another scale.
    double alpha = settings.scale() * settings.rank();
    return new TunedFolder(
        new TuningMethod.Lora(settings.rank(), alpha, settings.targets()),
        settings.baseModel(),
        values,
        saved::close);
  }

  /** One of the two factors of an adapter's site. */
  @FunctionalInterface
  private interface Factor {
    Tensor of(Adapter adapter, Tensor flat, Adapter.Site site);
  }

  private static Tensor factor(Trainable tuned, Role role, int layer, Factor factor) {
    Adapter adapter = (Adapter) tuned;
    return factor.of(adapter, adapter.parameters(), adapter.site(role, layer));
  }

  private static TunedFolder openPrompt(Path path, JsonNode config, DecoderConfig base) {
    Path file = path.resolve(PeftFiles.CONFIG);
    int tokens = PeftFiles.integer(file, config, "num_virtual_tokens");
    int most = Math.min(TuningMethod.Prompt.MAX_TOKENS, base.contextLength() - 1);
    require(file, tokens >= 1 && tokens <= most, "num_virtual_tokens is not in 1 .. " + most);
    require(
        file,
        PeftFiles.integer(file, config, "token_dim") == base.width(),
        "token_dim is not the base model's " + base.width());
    JsonNode submodules = config.path("num_transformer_submodules");
    require(
        file,
        submodules.isMissingNode() || submodules.isNull() || submodules.asInt() == 1,
        "num_transformer_submodules is not 1");
    return open(
        path,
        new TuningMethod.Prompt(tokens),
        config,
        tensors -> {
          Tensor saved = tensors.get(PROMPT_TENSOR, tokens, base.width());
          return List.of(
              new Value(saved, tuned -> ((SoftPrompt) tuned).embeddings(tuned.parameters())));
        });
  }

  private static TunedFolder openBias(Path path, JsonNode config, DecoderConfig base) {
    Path file = path.resolve(PeftFiles.CONFIG);
    Set<Role> targets = PeftFiles.targets(file, config.path("target_modules"), base);
    require(file, !targets.isEmpty(), "target_modules is empty");
    return open(
        path,
        new TuningMethod.Bias(targets),
        config,
        tensors -> {
          List<Value> values = new ArrayList<>();
          for (Slot slot : PeftFiles.linears(base)) {
            if (targets.contains(slot.role())) {
              long out = Adapter.outputWidth(base, slot.role());
              Tensor saved = tensors.get(name(base, slot.role(), slot.layer()), out);
              values.add(new Value(saved, tuned -> bias(tuned, slot.role(), slot.layer())));
            }
          }
          return values;
        });
  }

  private static Tensor bias(Trainable tuned, Role role, int layer) {
    BiasVectors biases = (BiasVectors) tuned;
    return biases.bias(biases.parameters(), biases.site(role, layer));
  }

  private static TunedFolder open(
      Path path,
      TuningMethod method,
      JsonNode config,
      Function<PeftFiles.Tensors, List<Value>> values) {
    Safetensors weights = Safetensors.open(path.resolve(PeftFiles.WEIGHTS));
    try {
      PeftFiles.Tensors tensors = new PeftFiles.Tensors(path, weights);
      List<Value> found = values.apply(tensors);
      tensors.refuseOthers("is none that this method has");
      String baseModel = config.path("base_model_name_or_path").asText("");
      return new TunedFolder(method, baseModel, found, weights::close);
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  /** How it was tuned. */
  public TuningMethod method() {
    return method;
  }

  /** Name or place of the base model; empty if it is not told. */
  public String baseModel() {
    return baseModel;
  }

  /**
   * Gives parameters the values that were saved, and packs them.
   *
   * @param tuned of {@link #method}, for the base model
   */
  public void copyTo(Trainable tuned) {
    if (!tuned.method().equals(method)) {
      throw new IllegalArgumentException("what was saved is " + method + ", not " + tuned.method());
    }
    values.forEach(value -> value.place.apply(tuned).copyFrom(value.saved));
    tuned.pack();
  }

  /**
   * Writes what was tuned, whole or not at all.
   *
   * @param path must not exist yet
   * @param baseModel name of the base model
   * @throws ModelFileException if it cannot be written
   */
  public static void write(Path path, DecoderConfig base, Trainable tuned, String baseModel) {
    switch (tuned) {
      case Adapter adapter ->
          AdapterFolder.write(
              path,
              base,
              new AdapterFolder.Settings(
                  adapter.rank(), adapter.alpha(), false, adapter.roles(), baseModel),
              (role, layer) -> {
                Adapter.Site site = adapter.site(role, layer);
                return new AdapterFolder.Factors(
                    adapter.a(adapter.parameters(), site), adapter.b(adapter.parameters(), site));
              });
      case SoftPrompt prompt ->
          write(
              path,
              promptConfig(base, prompt, baseModel),
              new LinkedHashMap<>(Map.of(PROMPT_TENSOR, prompt.embeddings(prompt.parameters()))));
      case AllWeights _ ->
          throw new IllegalArgumentException(
              "a model all of whose weights are tuned is no adapter");
      case BiasVectors biases -> {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        for (BiasVectors.Site site : biases.sites()) {
          tensors.put(
              name(base, site.role(), site.layer()), biases.bias(biases.parameters(), site));
        }
        write(path, biasConfig(base, biases, baseModel), tensors);
      }
    }
  }

  private static void write(Path path, ObjectNode json, SequencedMap<String, Tensor> tensors) {
    byte[] config = ConfigWriter.bytes(json);
    AtomicFiles.folder(
        path,
        folder -> {
          AtomicFiles.file(folder.resolve(PeftFiles.CONFIG), config);
          Safetensors.write(folder.resolve(PeftFiles.WEIGHTS), tensors, Map.of("format", "pt"));
        });
  }

  private static ObjectNode config(String type, String baseModel) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("peft_type", type);
    json.put("task_type", "CAUSAL_LM");
    json.put("base_model_name_or_path", baseModel);
    json.put("inference_mode", true);
    return json;
  }

  private static ObjectNode promptConfig(DecoderConfig base, SoftPrompt prompt, String baseModel) {
    ObjectNode json = config(PROMPT_TYPE, baseModel);
    json.put("num_virtual_tokens", prompt.prompt().length);
    json.put("token_dim", base.width());
    json.put("num_transformer_submodules", 1);
    json.put("num_attention_heads", base.attention().heads());
    json.put("num_layers", base.layers());
    json.put("prompt_tuning_init", "RANDOM");
    json.putNull("prompt_tuning_init_text");
    json.putNull("tokenizer_name_or_path");
    return json;
  }

  private static ObjectNode biasConfig(DecoderConfig base, BiasVectors biases, String baseModel) {
    ObjectNode json = config(BIAS_TYPE, baseModel);
    PeftFiles.targetModules(base, biases.targets()).forEach(json.putArray("target_modules")::add);
    return json;
  }

  private static String name(DecoderConfig base, Role role, int layer) {
    return PeftFiles.PREFIX + TensorNames.module(base, role, layer) + ".added_bias";
  }

  @Override
  public void close() {
    close.run();
  }
}
