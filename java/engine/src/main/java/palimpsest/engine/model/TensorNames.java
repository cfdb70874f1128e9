package palimpsest.engine.model;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import palimpsest.engine.model.DecoderConfig.NormKind;
import palimpsest.engine.model.DecoderConfig.PositionKind;

/**
 * The allow-list of a model: every tensor it must have, under its Hugging Face name, with its shape
 * in the file.
 */
final class TensorNames {
  /**
   * One tensor.
   *
   * @param layer its layer, 0 for those of the whole model
   * @param bias the bias of its role, else the weight
   * @param inputMajor a matrix stored [in, out] (GPT-2's Conv1D)
   */
  record Slot(Role role, int layer, boolean bias, String name, long[] shape, boolean inputMajor) {
    long size() {
      long size = 1;
      for (long dimension : shape) {
        size = Math.multiplyExact(size, dimension);
      }
      return size;
    }
  }

  /** Buffers that some programs save beside the weights; they hold nothing that was learned. */
  private static final Pattern BUFFERS =
      Pattern.compile(
          "(transformer\\.)?h\\.\\d+\\.attn\\.(masked_)?bias"
              + "|model\\.(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq");

  /** What stands above an encoder's last block for tasks of its makers, and a table of 0, 1, ... */
  private static final Pattern BESIDE_ENCODERS =
      Pattern.compile(
          "(bert\\.)?(pooler\\.dense\\.(weight|bias)|embeddings\\.position_ids)"
              + "|cls\\.(predictions|seq_relationship)\\.[a-zA-Z.]*(weight|bias)");

  /** What some programs write in front of all names, and others leave out. */
  private static final List<String> OPTIONAL_PREFIXES = List.of("transformer.", "bert.");

  private static final Map<Role, String> GPT2 = new EnumMap<>(Role.class);
  private static final Map<Role, String> LLAMA = new EnumMap<>(Role.class);
  private static final Map<Role, String> BERT = new EnumMap<>(Role.class);

  static {
    GPT2.put(Role.EMBEDDING, "transformer.wte");
    GPT2.put(Role.POSITIONS, "transformer.wpe");
    GPT2.put(Role.ATTENTION_NORM, "transformer.h.%d.ln_1");
    GPT2.put(Role.QUERY_KEY_VALUE, "transformer.h.%d.attn.c_attn");
    GPT2.put(Role.ATTENTION_OUTPUT, "transformer.h.%d.attn.c_proj");
    GPT2.put(Role.FEED_FORWARD_NORM, "transformer.h.%d.ln_2");
    GPT2.put(Role.UP, "transformer.h.%d.mlp.c_fc");
    GPT2.put(Role.DOWN, "transformer.h.%d.mlp.c_proj");
    GPT2.put(Role.FINAL_NORM, "transformer.ln_f");
    GPT2.put(Role.HEAD, "lm_head");
    LLAMA.put(Role.EMBEDDING, "model.embed_tokens");
    LLAMA.put(Role.ATTENTION_NORM, "model.layers.%d.input_layernorm");
    LLAMA.put(Role.QUERY, "model.layers.%d.self_attn.q_proj");
    LLAMA.put(Role.KEY, "model.layers.%d.self_attn.k_proj");
    LLAMA.put(Role.VALUE, "model.layers.%d.self_attn.v_proj");
    LLAMA.put(Role.QUERY_NORM, "model.layers.%d.self_attn.q_norm");
    LLAMA.put(Role.KEY_NORM, "model.layers.%d.self_attn.k_norm");
    LLAMA.put(Role.ATTENTION_OUTPUT, "model.layers.%d.self_attn.o_proj");
    LLAMA.put(Role.FEED_FORWARD_NORM, "model.layers.%d.post_attention_layernorm");
    LLAMA.put(Role.GATE, "model.layers.%d.mlp.gate_proj");
    LLAMA.put(Role.UP, "model.layers.%d.mlp.up_proj");
    LLAMA.put(Role.DOWN, "model.layers.%d.mlp.down_proj");
    LLAMA.put(Role.FINAL_NORM, "model.norm");
    LLAMA.put(Role.HEAD, "lm_head");
    BERT.put(Role.EMBEDDING, "bert.embeddings.word_embeddings");
    BERT.put(Role.POSITIONS, "bert.embeddings.position_embeddings");
    BERT.put(Role.SEGMENTS, "bert.embeddings.token_type_embeddings");
    BERT.put(Role.EMBEDDING_NORM, "bert.embeddings.LayerNorm");
    BERT.put(Role.QUERY, "bert.encoder.layer.%d.attention.self.query");
    BERT.put(Role.KEY, "bert.encoder.layer.%d.attention.self.key");
    BERT.put(Role.VALUE, "bert.encoder.layer.%d.attention.self.value");
    BERT.put(Role.ATTENTION_OUTPUT, "bert.encoder.layer.%d.attention.output.dense");
    BERT.put(Role.ATTENTION_NORM, "bert.encoder.layer.%d.attention.output.LayerNorm");
    BERT.put(Role.UP, "bert.encoder.layer.%d.intermediate.dense");
    BERT.put(Role.DOWN, "bert.encoder.layer.%d.output.dense");
    BERT.put(Role.FEED_FORWARD_NORM, "bert.encoder.layer.%d.output.LayerNorm");
  }

  private final ModelConfig config;
  private final List<Slot> slots = new ArrayList<>();

  private TensorNames(ModelConfig config) {
    this.config = config;
  }

  static TensorNames of(ModelConfig config) {
    TensorNames names = new TensorNames(config);
    switch (config) {
      case DecoderConfig decoder -> names.addDecoder(decoder);
      case EncoderConfig encoder -> names.addEncoder(encoder);
    }
    return names;
  }

  /** A name without what stands in front of all names, if anything does. */
  static String withoutPrefix(String name) {
    return OPTIONAL_PREFIXES.stream()
        .filter(name::startsWith)
        .findFirst()
        .map(prefix -> name.substring(prefix.length()))
        .orElse(name);
  }

  /** The module of a role, as Hugging Face's programs call it. */
  static String module(ModelConfig config, Role role, int layer) {
    String pattern = patterns(config).get(role);
    if (pattern == null) {
      throw new IllegalArgumentException(config.family() + " models have no tensor " + role);
    }
    return pattern.replace("%d", Integer.toString(layer));
  }

  private static Map<Role, String> patterns(ModelConfig config) {
    if (config instanceof EncoderConfig) {
      return BERT;
    }
    if (config.family().equals("gpt2")) {
      return GPT2;
    }
    if (!config.norm().post()) {
      return LLAMA;
    }
    // With norms after each block too, "post_attention_layernorm" means what it says.
    Map<Role, String> gemma = new EnumMap<>(LLAMA);
    gemma.put(Role.POST_ATTENTION_NORM, "model.layers.%d.post_attention_layernorm");
    gemma.put(Role.FEED_FORWARD_NORM, "model.layers.%d.pre_feedforward_layernorm");
    gemma.put(Role.POST_FEED_FORWARD_NORM, "model.layers.%d.post_feedforward_layernorm");
    return gemma;
  }

  /** All tensors, in the order of the computation. */
  List<Slot> slots() {
    return slots;
  }

  /** Whether a tensor of that name may be there without being read. */
  boolean ignorable(String name) {
    return switch (config) {
      case DecoderConfig decoder ->
          BUFFERS.matcher(name).matches() || decoder.tiedHead() && name.equals("lm_head.weight");
      case EncoderConfig _ -> BESIDE_ENCODERS.matcher(name).matches();
    };
  }

  private void addDecoder(DecoderConfig decoder) {
    int width = config.width();
    matrix(Role.EMBEDDING, 0, config.vocabularySize(), width, false);
    if (decoder.position().kind() == PositionKind.LEARNED) {
      matrix(Role.POSITIONS, 0, config.contextLength(), width, false);
    }
    addBlocks(width);
    norm(Role.FINAL_NORM, 0, width);
    if (!decoder.tiedHead()) {
      matrix(Role.HEAD, 0, config.vocabularySize(), width, false);
    }
  }

  private void addEncoder(EncoderConfig encoder) {
    int width = config.width();
    matrix(Role.EMBEDDING, 0, config.vocabularySize(), width, false);
    matrix(Role.POSITIONS, 0, config.contextLength(), width, false);
    matrix(Role.SEGMENTS, 0, encoder.segments(), width, false);
    norm(Role.EMBEDDING_NORM, 0, width);
    addBlocks(width);
  }

  private void addBlocks(int width) {
    for (int layer = 0; layer < config.layers(); layer++) {
      addAttention(layer, width);
      addFeedForward(layer, width);
    }
  }

  private void addAttention(int layer, int width) {
    DecoderConfig.AttentionOptions attention = config.attention();
    int queries = attention.queryWidth();
    int keys = attention.keyWidth();
    norm(Role.ATTENTION_NORM, layer, width);
    if (attention.fused()) {
      linear(Role.QUERY_KEY_VALUE, layer, queries + 2 * keys, width, attention.inputBias());
    } else {
      linear(Role.QUERY, layer, queries, width, attention.inputBias());
      linear(Role.KEY, layer, keys, width, attention.inputBias());
      linear(Role.VALUE, layer, keys, width, attention.inputBias());
    }
    if (attention.qkNorm()) {
      norm(Role.QUERY_NORM, layer, attention.headDim());
      norm(Role.KEY_NORM, layer, attention.headDim());
    }
    linear(Role.ATTENTION_OUTPUT, layer, width, queries, attention.outputBias());
    if (config.norm().post()) {
      norm(Role.POST_ATTENTION_NORM, layer, width);
    }
  }

  private void addFeedForward(int layer, int width) {
    DecoderConfig.FeedForwardOptions feedForward = config.feedForward();
    norm(Role.FEED_FORWARD_NORM, layer, width);
    if (feedForward.activation().gated()) {
      linear(Role.GATE, layer, feedForward.width(), width, feedForward.bias());
    }
    linear(Role.UP, layer, feedForward.width(), width, feedForward.bias());
    linear(Role.DOWN, layer, width, feedForward.width(), feedForward.bias());
    if (config.norm().post()) {
      norm(Role.POST_FEED_FORWARD_NORM, layer, width);
    }
  }

  private void norm(Role role, int layer, int width) {
    add(role, layer, false, false, width);
    if (config.norm().kind() == NormKind.LAYERNORM) {
      add(role, layer, true, false, width);
    }
  }

  private void linear(Role role, int layer, int outputs, int inputs, boolean bias) {
    matrix(role, layer, outputs, inputs, config.family().equals("gpt2"));
    if (bias) {
      add(role, layer, true, false, outputs);
    }
  }

  private void matrix(Role role, int layer, int rows, int cols, boolean inputMajor) {
    if (inputMajor) {
      add(role, layer, false, true, cols, rows);
    } else {
      add(role, layer, false, false, rows, cols);
    }
  }

  private void add(Role role, int layer, boolean bias, boolean inputMajor, long... shape) {
    String name = module(config, role, layer) + (bias ? ".bias" : ".weight");
    slots.add(new Slot(role, layer, bias, name, shape, inputMajor));
  }
}
