package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig.AttentionOptions;
import palimpsest.engine.model.DecoderConfig.FeedForwardOptions;
import palimpsest.engine.model.DecoderConfig.NormKind;
import palimpsest.engine.model.DecoderConfig.NormOptions;
import palimpsest.engine.model.DecoderConfig.PositionKind;
import palimpsest.engine.model.DecoderConfig.PositionOptions;
import palimpsest.engine.weights.BoundedJson;
import palimpsest.engine.weights.ModelFileException;

/**
 * Hugging Face's config.json as a {@link ModelConfig}, with the defaults of transformers. A field
 * that would change the computation in a way that is not supported is refused by name, never
 * ignored.
 */
final class ConfigReader {
  private static final int MAX_BYTES = 1 << 20;
  private static final String SUPPORTED = "gpt2, llama, mistral, qwen2, qwen3, gemma3_text, bert";

  private final Path file;
  private final ObjectNode json;

  private ConfigReader(Path file, ObjectNode json) {
    this.file = file;
    this.json = json;
  }

  static ModelConfig read(Path file) {
    ConfigReader reader = new ConfigReader(file, BoundedJson.read(file, MAX_BYTES));
    try {
      return reader.read();
    } catch (ModelFileException e) {
      throw e.in(file);
    }
  }

  private ModelConfig read() {
    String family = text("model_type", "");
    return switch (family) {
      case "gpt2" -> gpt2();
      case "llama", "mistral", "qwen2", "qwen3", "gemma3_text" -> llama(family);
      case "bert" -> bert();
      default ->
          throw refuse("model_type " + quote(family) + " is not supported; " + SUPPORTED + " are");
    };
  }

  private DecoderConfig gpt2() {
    only("scale_attn_by_inverse_layer_idx", false);
    only("add_cross_attention", false);
    int width = integer("n_embd");
    int heads = integer("n_head");
    int layers = layers("n_layer");
    int headDim = divided(width, heads, "n_embd", "n_head");
    boolean scaled = flag("scale_attn_weights", true);
    return new DecoderConfig(
        "gpt2",
        integer("vocab_size"),
        integer("n_positions"),
        layers,
        width,
        new AttentionOptions(
            heads,
            heads,
            headDim,
            scaled ? 1 / Math.sqrt(headDim) : 1,
            true,
            true,
            true,
            false,
            Collections.nCopies(layers, 0)),
        new FeedForwardOptions(
            integer("n_inner", Math.clamp(4L * width, 0, Integer.MAX_VALUE)),
            activation("activation_function", "gelu_new", false),
            true),
        new NormOptions(NormKind.LAYERNORM, real("layer_norm_epsilon", 1e-5), false, false),
        PositionOptions.learned(),
        flag("tie_word_embeddings", true),
        false,
        1,
        beginId(),
        endIds());
  }

  private DecoderConfig llama(String family) {
    boolean gemma = family.equals("gemma3_text");
    boolean qwen2 = family.equals("qwen2");
    only("pretraining_tp", 1);
    absent("attn_logit_softcapping");
    absent("final_logit_softcapping");
    only("use_bidirectional_attention", false);
    if (real("partial_rotary_factor", 1) != 1) {
      throw refuse("partial_rotary_factor other than 1 is not supported");
    }
    int width = integer("hidden_size");
    int layers = layers("num_hidden_layers");
    int heads = integer("num_attention_heads");
    int headDim =
        has("head_dim")
            ? integer("head_dim")
            : divided(width, heads, "hidden_size", "num_attention_heads");
    double scalar = gemma ? real("query_pre_attn_scalar", 256) : headDim;
    List<Integer> windows = windows(family, layers);
    return new DecoderConfig(
        family,
        integer("vocab_size"),
        integer("max_position_embeddings"),
        layers,
        width,
        new AttentionOptions(
            heads,
            integer("num_key_value_heads", heads),
            headDim,
            1 / Math.sqrt(scalar),
            qwen2 || flag("attention_bias", false),
            !qwen2 && flag("attention_bias", false),
            false,
            gemma || family.equals("qwen3"),
            windows),
        new FeedForwardOptions(
            integer("intermediate_size"),
            activation(
                gemma ? "hidden_activation" : "hidden_act",
                gemma ? "gelu_pytorch_tanh" : "silu",
                true),
            flag("mlp_bias", false)),
        new NormOptions(NormKind.RMSNORM, real("rms_norm_eps", 1e-6), gemma, gemma),
        rope(gemma, headDim),
        flag("tie_word_embeddings", gemma),
        false,
        gemma ? Math.sqrt(width) : 1,
        beginId(),
        endIds());
  }

  private EncoderConfig bert() {
    only("is_decoder", false);
    only("add_cross_attention", false);
    String positions = text("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw refuse("position_embedding_type " + quote(positions) + " is not supported");
    }
    int width = integer("hidden_size");
    int heads = integer("num_attention_heads");
    int layers = layers("num_hidden_layers");
    int headDim = divided(width, heads, "hidden_size", "num_attention_heads");
    return new EncoderConfig(
        "bert",
        integer("vocab_size"),
        integer("max_position_embeddings"),
        integer("type_vocab_size", 2),
        layers,
        width,
        new AttentionOptions(
            heads,
            heads,
            headDim,
            1 / Math.sqrt(headDim),
            true,
            true,
            false,
            false,
            Collections.nCopies(layers, 0)),
        new FeedForwardOptions(
            integer("intermediate_size"), activation("hidden_act", "gelu", false), true),
        new NormOptions(NormKind.LAYERNORM, real("layer_norm_eps", 1e-12), false, false));
  }

  private PositionOptions rope(boolean gemma, int headDim) {
    JsonNode scaling = json.get("rope_scaling");
    refuseRopeScaling(scaling);
    double base = real("rope_theta", gemma ? 1e6 : 1e4);
    double local = gemma ? real("rope_local_base_freq", 1e4) : base;
    JsonNode parameters = json.get("rope_parameters");
    if (parameters != null && parameters.isObject()) {
      if (parameters.has("full_attention")) {
        base = ropeTheta(parameters.get("full_attention"), base);
        local = ropeTheta(parameters.path("sliding_attention"), local);
      } else {
        base = ropeTheta(parameters, base);
        local = gemma ? local : base;
      }
    }
    return new PositionOptions(PositionKind.ROPE, base, local, headDim);
  }

  private double ropeTheta(JsonNode parameters, double otherwise) {
    refuseRopeScaling(parameters);
    JsonNode theta = parameters.get("rope_theta");
    if (theta == null) {
      return otherwise;
    }
    if (!theta.isNumber()) {
      throw refuse("rope_theta is not a number");
    }
    return theta.doubleValue();
  }

  private void refuseRopeScaling(JsonNode scaling) {
    if (scaling == null || scaling.isNull() || scaling.isMissingNode()) {
      return;
    }
    String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
    boolean partial = scaling.path("partial_rotary_factor").asDouble(1) != 1;
    if (!type.equals("default") || partial) {
      throw refuse("rope scaling of type " + quote(type) + " is not supported");
    }
  }

  /** Which layers see a window only: a list of layer types, else the family's rule. */
  private List<Integer> windows(String family, int layers) {
    int window = windowSize(family);
    JsonNode types = json.get("layer_types");
    List<Integer> windows = new ArrayList<>();
    if (types != null && types.isArray()) {
      for (JsonNode type : types) {
        switch (type.asText()) {
          case "full_attention" -> windows.add(0);
          case "sliding_attention" -> windows.add(positiveWindow(window));
          default -> throw refuse("layer type " + quote(type.asText()) + " is not supported");
        }
      }
      return windows;
    }
    int pattern = integer("sliding_window_pattern", 6);
    for (int layer = 0; layer < layers; layer++) {
      boolean full = family.equals("gemma3_text") && pattern > 0 && (layer + 1) % pattern == 0;
      windows.add(full ? 0 : window);
    }
    return windows;
  }

  private int windowSize(String family) {
    return switch (family) {
      case "gemma3_text" -> positiveWindow(integer("sliding_window", 4096));
      case "mistral" -> integer("sliding_window", 0);
      case "qwen2", "qwen3" -> {
        if (flag("use_sliding_window", false) && !has("layer_types")) {
          throw refuse("use_sliding_window without layer_types is not supported");
        }
        yield has("layer_types") ? integer("sliding_window", 0) : 0;
      }
      default -> 0;
    };
  }

  private int positiveWindow(int window) {
    if (window < 1) {
      throw refuse("sliding_window is missing or not positive");
    }
    return window;
  }

  private Activation.Kind activation(String field, String otherwise, boolean gated) {
    String name = text(field, text("hidden_act", otherwise));
    return switch (name) {
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" ->
          gated ? Activation.Kind.GELU_TANH_GATED : Activation.Kind.GELU_TANH;
      case "gelu" -> {
        if (gated) {
          throw refuse("activation 'gelu' with a gate is not supported");
        }
        yield Activation.Kind.GELU;
      }
      case "silu", "swish" -> {
        if (!gated) {
          throw refuse("activation " + quote(name) + " without a gate is not supported");
        }
        yield Activation.Kind.SILU_GATED;
      }
      default ->
          throw refuse(
              "activation "
                  + quote(name)
                  + " is not supported; silu, gelu and gelu_new (tanh) are");
    };
  }

  /** A begin token outside the vocabulary, which some small models declare, counts as none. */
  private OptionalInt beginId() {
    JsonNode id = json.get("bos_token_id");
    return isToken(id) ? OptionalInt.of(id.intValue()) : OptionalInt.empty();
  }

  private List<Integer> endIds() {
    JsonNode ids = json.get("eos_token_id");
    List<Integer> result = new ArrayList<>();
    if (ids != null && ids.isArray()) {
      ids.forEach(id -> addToken(id, result));
    } else {
      addToken(ids, result);
    }
    return result;
  }

  private void addToken(JsonNode id, List<Integer> ids) {
    if (isToken(id)) {
      ids.add(id.intValue());
    }
  }

  private boolean isToken(JsonNode id) {
    return id != null
        && id.isIntegralNumber()
        && id.canConvertToInt()
        && id.intValue() >= 0
        && id.intValue() < integer("vocab_size");
  }

  private int divided(int width, int heads, String widthField, String headsField) {
    if (heads < 1 || width % heads != 0) {
      throw refuse(widthField + " " + width + " is no multiple of " + headsField + " " + heads);
    }
    return width / heads;
  }

  private int layers(String field) {
    int layers = integer(field);
    if (layers < 1 || layers > DecoderConfig.MAX_LAYERS) {
      throw refuse(field + " " + layers + " is not in 1 .. " + DecoderConfig.MAX_LAYERS);
    }
    return layers;
  }

  private boolean has(String field) {
    return json.hasNonNull(field);
  }

  private int integer(String field) {
    JsonNode value = json.get(field);
    if (value == null || !value.isIntegralNumber() || !value.canConvertToInt()) {
      throw refuse(field + " is missing or not an integer below 2^31");
    }
    return value.intValue();
  }

  private int integer(String field, int otherwise) {
    return has(field) ? integer(field) : otherwise;
  }

  private double real(String field, double otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    if (!json.get(field).isNumber()) {
      throw refuse(field + " is not a number");
    }
    return json.get(field).doubleValue();
  }

  private boolean flag(String field, boolean otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    if (!json.get(field).isBoolean()) {
      throw refuse(field + " is neither true nor false");
    }
    return json.get(field).booleanValue();
  }

  private String text(String field, String otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    if (!json.get(field).isTextual()) {
      throw refuse(field + " is not a text");
    }
    return json.get(field).textValue();
  }

  private void only(String field, boolean value) {
    if (flag(field, value) != value) {
      throw refuse(field + " = " + !value + " is not supported");
    }
  }

  private void only(String field, int value) {
    if (integer(field, value) != value) {
      throw refuse(field + " other than " + value + " is not supported");
    }
  }

  private void absent(String field) {
    if (has(field)) {
      throw refuse(field + " is not supported");
    }
  }

  private ModelFileException refuse(String problem) {
    return new ModelFileException(file + ": " + problem);
  }
}
