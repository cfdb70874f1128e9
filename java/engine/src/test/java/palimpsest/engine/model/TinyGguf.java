package palimpsest.engine.model;

import palimpsest.engine.weights.GgufBuilder;

/** GGUF files of one layer; the Llama has width 8, 2 heads over 1, 6 tokens. */
public final class TinyGguf {
  private static final int WIDTH = 8;
  private static final int HEADS = 2;
  private static final int HEAD_DIM = 4;

  private TinyGguf() {}

  /** The whole file. */
  public static byte[] bytes() {
    return builder().bytes();
  }

  /** Numbers that tell where they stand: tensor number, row, column. */
  public static float[] numbers(int tensor, int rows, int cols) {
    float[] result = new float[rows * cols];
    for (int i = 0; i < result.length; i++) {
      result[i] = tensor * 1000 + i / cols + i % cols / 16f;
    }
    return result;
  }

  /** The file in the making. */
  public static GgufBuilder builder() {
    return new GgufBuilder()
        .set("general.architecture", "llama")
        .set("llama.context_length", 16)
        .set("llama.embedding_length", WIDTH)
        .set("llama.block_count", 1)
        .set("llama.feed_forward_length", 12)
        .set("llama.attention.head_count", HEADS)
        .set("llama.attention.head_count_kv", 1)
        .set("llama.attention.layer_norm_rms_epsilon", 1e-5f)
        .set("llama.rope.freq_base", 100000f)
        .set("llama.rope.dimension_count", HEAD_DIM)
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "smollm")
        .set("tokenizer.ggml.tokens", new String[] {"<|end|>", "a", "b", "Ġ", "ab", "Ġab"})
        .set("tokenizer.ggml.token_type", new int[] {3, 1, 1, 1, 1, 1})
        .set("tokenizer.ggml.merges", new String[] {"a b", "Ġ ab"})
        .set("tokenizer.ggml.bos_token_id", 1)
        .set("tokenizer.ggml.eos_token_id", 0)
        .tensor("token_embd.weight", numbers(0, 6, WIDTH), 6, WIDTH)
        .tensor("blk.0.attn_norm.weight", numbers(1, 1, WIDTH), WIDTH)
        .tensor("blk.0.attn_q.weight", numbers(2, 8, WIDTH), 8, WIDTH)
        .tensor("blk.0.attn_k.weight", numbers(3, 4, WIDTH), 4, WIDTH)
        .tensor("blk.0.attn_v.weight", numbers(4, 4, WIDTH), 4, WIDTH)
        .tensor("blk.0.attn_output.weight", numbers(5, 8, WIDTH), 8, WIDTH)
        .tensor("blk.0.ffn_norm.weight", numbers(6, 1, WIDTH), WIDTH)
        .tensor("blk.0.ffn_gate.weight", numbers(7, 12, WIDTH), 12, WIDTH)
        .tensor("blk.0.ffn_up.weight", numbers(8, 12, WIDTH), 12, WIDTH)
        .tensor("blk.0.ffn_down.weight", numbers(9, WIDTH, 12), WIDTH, 12)
        .tensor("output_norm.weight", numbers(10, 1, WIDTH), WIDTH);
  }

  /** Gemma 3 of one layer in the making: width 8, 2 heads of 6 over 1, 8 SentencePiece tokens. */
  public static GgufBuilder gemma() {
    return new GgufBuilder()
        .set("general.architecture", "gemma3")
        .set("gemma3.context_length", 64)
        .set("gemma3.embedding_length", WIDTH)
        .set("gemma3.block_count", 1)
        .set("gemma3.feed_forward_length", 12)
        .set("gemma3.attention.head_count", HEADS)
        .set("gemma3.attention.head_count_kv", 1)
        .set("gemma3.attention.key_length", 6)
        .set("gemma3.attention.sliding_window", 16)
        .set("gemma3.attention.layer_norm_rms_epsilon", 1e-6f)
        .set("gemma3.rope.freq_base", 1000000f)
        .set("tokenizer.ggml.model", "llama")
        .set(
            "tokenizer.ggml.tokens",
            new String[] {"<unk>", "<bos>", "<0x41>", "\n\n", "ab", "a", "b", "aba"})
        .set("tokenizer.ggml.token_type", new int[] {3, 3, 6, 4, 1, 1, 1, 1})
        .set("tokenizer.ggml.scores", new float[] {-1000, -1000, -1000, -1000, -1, -3, -2, -0.5f})
        .set("tokenizer.ggml.unknown_token_id", 0)
        .set("tokenizer.ggml.bos_token_id", 1)
        .tensor("token_embd.weight", numbers(0, 8, WIDTH), 8, WIDTH)
        .tensor("blk.0.attn_norm.weight", numbers(1, 1, WIDTH), WIDTH)
        .tensor("blk.0.attn_q.weight", numbers(2, 12, WIDTH), 12, WIDTH)
        .tensor("blk.0.attn_k.weight", numbers(3, 6, WIDTH), 6, WIDTH)
        .tensor("blk.0.attn_v.weight", numbers(4, 6, WIDTH), 6, WIDTH)
        .tensor("blk.0.attn_q_norm.weight", numbers(5, 1, 6), 6)
        .tensor("blk.0.attn_k_norm.weight", numbers(6, 1, 6), 6)
        .tensor("blk.0.attn_output.weight", numbers(7, WIDTH, 12), WIDTH, 12)
        .tensor("blk.0.post_attention_norm.weight", numbers(8, 1, WIDTH), WIDTH)
        .tensor("blk.0.ffn_norm.weight", numbers(9, 1, WIDTH), WIDTH)
        .tensor("blk.0.ffn_gate.weight", numbers(10, 12, WIDTH), 12, WIDTH)
        .tensor("blk.0.ffn_up.weight", numbers(11, 12, WIDTH), 12, WIDTH)
        .tensor("blk.0.ffn_down.weight", numbers(12, WIDTH, 12), WIDTH, 12)
        .tensor("blk.0.post_ffw_norm.weight", numbers(13, 1, WIDTH), WIDTH)
        .tensor("output_norm.weight", numbers(14, 1, WIDTH), WIDTH);
  }
}
