package palimpsest.engine.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import palimpsest.engine.model.DecoderConfig.AttentionOptions;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.weights.AtomicFiles;

/** A {@link ModelConfig} as the config.json that Hugging Face's programs expect. */
final class ConfigWriter {
  private static final JsonMapper JSON = new JsonMapper();

  private final ModelConfig config;
  private final ObjectNode json = JSON.createObjectNode();

  private ConfigWriter(ModelConfig config) {
    this.config = config;
  }

  static void write(ModelConfig config, DType type, Path file) {
    ConfigWriter writer = new ConfigWriter(config);
    writer.json.putArray("architectures").add(architecture(config.family()));
    writer.json.put("model_type", config.family());
    switch (config) {
      case EncoderConfig encoder -> writer.bert(encoder);
      case DecoderConfig decoder -> writer.decoder(decoder);
    }
    writer.json.put("vocab_size", config.vocabularySize());
    writer.json.put("torch_dtype", type == DType.BF16 ? "bfloat16" : "float32");
    AtomicFiles.file(file, bytes(writer.json));
  }

  private void decoder(DecoderConfig decoder) {
    if (config.family().equals("gpt2")) {
      gpt2();
    } else {
      llama(decoder);
    }
    json.put("tie_word_embeddings", decoder.tiedHead());
    decoder.beginId().ifPresent(id -> json.put("bos_token_id", id));
    if (decoder.endIds().size() == 1) {
      json.put("eos_token_id", decoder.endIds().getFirst());
    } else if (!decoder.endIds().isEmpty()) {
      decoder.endIds().forEach(json.putArray("eos_token_id")::add);
    }
  }

  private void bert(EncoderConfig encoder) {
    json.put("hidden_size", encoder.width());
    json.put("intermediate_size", encoder.feedForward().width());
    json.put("num_hidden_layers", encoder.layers());
    json.put("num_attention_heads", encoder.attention().heads());
    json.put("max_position_embeddings", encoder.contextLength());
    json.put("type_vocab_size", encoder.segments());
    json.put("layer_norm_eps", encoder.norm().epsilon());
    json.put("hidden_act", activation("gelu_new"));
    json.put("position_embedding_type", "absolute");
  }

  static byte[] bytes(ObjectNode json) {
    try {
      String text = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json);
      return (text + "\n").getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree of plain values cannot fail to be written", e);
    }
  }

  private static String architecture(String family) {
    return switch (family) {
      case "bert" -> "BertModel";
      case "gpt2" -> "GPT2LMHeadModel";
      case "mistral" -> "MistralForCausalLM";
      case "qwen2" -> "Qwen2ForCausalLM";
      case "qwen3" -> "Qwen3ForCausalLM";
      case "gemma3_text" -> "Gemma3ForCausalLM";
      default -> "LlamaForCausalLM";
    };
  }

  private void gpt2() {
    json.put("n_embd", config.width());
    json.put("n_head", config.attention().heads());
    json.put("n_layer", config.layers());
    json.put("n_positions", config.contextLength());
    json.put("n_inner", config.feedForward().width());
    json.put("activation_function", activation("gelu_new"));
    json.put("layer_norm_epsilon", config.norm().epsilon());
    json.put("scale_attn_weights", config.attention().scale() != 1);
  }

  private void llama(DecoderConfig decoder) {
    AttentionOptions attention = config.attention();
    boolean gemma = config.family().equals("gemma3_text");
    json.put("hidden_size", config.width());
    json.put("intermediate_size", config.feedForward().width());
    json.put("num_hidden_layers", config.layers());
    json.put("num_attention_heads", attention.heads());
    json.put("num_key_value_heads", attention.kvHeads());
    json.put("head_dim", attention.headDim());
    json.put("max_position_embeddings", config.contextLength());
    json.put("rms_norm_eps", config.norm().epsilon());
    json.put("rope_theta", decoder.position().ropeBase());
    json.put(gemma ? "hidden_activation" : "hidden_act", activation("gelu_pytorch_tanh"));
    json.put("attention_bias", attention.outputBias());
    json.put("mlp_bias", config.feedForward().bias());
    if (gemma) {
      json.put("rope_local_base_freq", decoder.position().localRopeBase());
      json.put("query_pre_attn_scalar", Math.round(1 / Math.pow(attention.scale(), 2)));
    }
    windows(attention);
  }

  private void windows(AttentionOptions attention) {
    int window = attention.windows().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (window == 0) {
      return;
    }
    json.put("sliding_window", window);
    json.put("use_sliding_window", true);
    var types = json.putArray("layer_types");
    attention.windows().forEach(w -> types.add(w == 0 ? "full_attention" : "sliding_attention"));
  }

  /**
   * @param tanh the family's own word for GELU by tanh
   */
  private String activation(String tanh) {
    return switch (config.feedForward().activation()) {
      case SILU_GATED -> "silu";
      case GELU_TANH, GELU_TANH_GATED -> tanh;
      case GELU -> "gelu";
    };
  }
}
