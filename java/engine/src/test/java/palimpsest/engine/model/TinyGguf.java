package palimpsest.engine.model;

import palimpsest.engine.weights.GgufBuilder;

/** A GGUF file of a Llama of one layer: width 8, 2 heads over 1, 6 tokens. */
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
}
