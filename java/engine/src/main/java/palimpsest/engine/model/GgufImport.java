package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig.AttentionOptions;
import palimpsest.engine.model.DecoderConfig.FeedForwardOptions;
import palimpsest.engine.model.DecoderConfig.NormKind;
import palimpsest.engine.model.DecoderConfig.NormOptions;
import palimpsest.engine.model.DecoderConfig.PositionKind;
import palimpsest.engine.model.DecoderConfig.PositionOptions;
import palimpsest.engine.model.TensorNames.Slot;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Gguf;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;
import palimpsest.engine.weights.SafetensorsWriter;

/**
 * Turns a GGUF file into a model folder: the quantised numbers as exact float32 values under
 * Hugging Face names, the tokenizer rebuilt.
 *
 * <p>Two things are undone on the way. llama.cpp's converter interleaves the rows of the query and
 * key matrices of Llama models inside each head, for its rotary form; here they are put back into
 * the half-split order. And it stores Gemma's norm weights as 1 + w; here they are w again.
 */
public final class GgufImport {
  private static final int PIECE = 1 << 18;
  private static final int GEMMA_PATTERN = 6;
  private static final double GEMMA_LOCAL_BASE = 1e4;

  private final Gguf gguf;
  private final String prefix;
  private final DecoderConfig config;

  private GgufImport(Gguf gguf) {
    this.gguf = gguf;
    String architecture = gguf.string("general.architecture");
    this.prefix = architecture + ".";
    this.config =
        switch (architecture) {
          case "llama" -> llama();
          case "gemma3" -> gemma();
          default ->
              throw gguf.refuse(
                  "architecture "
                      + quote(architecture)
                      + " cannot be imported; llama and gemma3 can");
        };
  }

  /**
   * Writes the model of a GGUF file as a folder, whole or not at all.
   *
   * @param file a GGUF file of architecture llama or gemma3
   * @param folder must not exist yet
   * @throws ModelFileException if the file breaks a rule, or holds something that has no place in
   *     such a folder, or the folder cannot be written
   */
  public static void importTo(Path file, Path folder) {
    try (Gguf gguf = Gguf.open(file)) {
      GgufImport model = of(gguf);
      List<SafetensorsWriter.Item> items = model.items();
      byte[] tokenizer = GgufTokenizer.json(gguf);
      AtomicFiles.folder(
          folder,
          partial -> {
            model.config.toJson(partial.resolve(ModelFolder.CONFIG), DType.F32);
            AtomicFiles.file(partial.resolve(ModelFolder.TOKENIZER), tokenizer);
            SafetensorsWriter.write(
                partial.resolve(SafetensorsFolder.SINGLE), items, Map.of("format", "pt"));
          });
    }
  }

  private static GgufImport of(Gguf gguf) {
    try {
      return new GgufImport(gguf);
    } catch (ModelFileException e) {
      throw e.in(gguf.path());
    }
  }

  private DecoderConfig llama() {
    refuseRopeScaling();
    int headDim = headDim();
    int layers = layers();
    return config(
        "llama",
        new AttentionOptions(
            heads(),
            kvHeads(),
            headDim,
            1 / Math.sqrt(headDim),
            false,
            false,
            false,
            false,
            Collections.nCopies(layers, 0)),
        Activation.Kind.SILU_GATED,
        new NormOptions(NormKind.RMSNORM, epsilon(), false, false),
        PositionOptions.rope(ropeBase(1e4), rotaryDims(headDim)),
        1);
  }

  /** What the file does not say of Gemma 3 follows from its name: pattern, local base, scales. */
  private DecoderConfig gemma() {
    refuseRopeScaling();
    int headDim = gguf.integer(prefix + "attention.key_length");
    int window = gguf.integer(prefix + "attention.sliding_window");
    int layers = layers();
    List<Integer> windows = new ArrayList<>();
    for (int layer = 1; layer <= layers; layer++) {
      windows.add(layer % GEMMA_PATTERN == 0 ? 0 : window);
    }
    return config(
        "gemma3_text",
        new AttentionOptions(
            heads(),
            kvHeads(),
            headDim,
            1 / Math.sqrt(headDim),
            false,
            false,
            false,
            true,
            windows),
        Activation.Kind.GELU_TANH_GATED,
        new NormOptions(NormKind.RMSNORM, epsilon(), true, true),
        new PositionOptions(PositionKind.ROPE, ropeBase(1e6), GEMMA_LOCAL_BASE, headDim),
        Math.sqrt(gguf.integer(prefix + "embedding_length")));
  }

  private DecoderConfig config(
      String family,
      AttentionOptions attention,
      Activation.Kind activation,
      NormOptions norm,
      PositionOptions position,
      double embeddingScale) {
    long[] embedding = gguf.shape("token_embd.weight");
    return new DecoderConfig(
        family,
        (int) Math.min(Integer.MAX_VALUE, embedding[0]),
        gguf.integer(prefix + "context_length"),
        layers(),
        gguf.integer(prefix + "embedding_length"),
        attention,
        new FeedForwardOptions(gguf.integer(prefix + "feed_forward_length"), activation, false),
        norm,
        position,
        !gguf.names().contains("output.weight"),
        false,
        embeddingScale,
        token("bos"),
        token("eos").stream().boxed().toList());
  }

  private int layers() {
    int layers = gguf.integer(prefix + "block_count");
    if (layers < 1 || layers > DecoderConfig.MAX_LAYERS) {
      throw gguf.refuse(layers + " layers are not in 1 .. " + DecoderConfig.MAX_LAYERS);
    }
    return layers;
  }

  private int heads() {
    return gguf.integer(prefix + "attention.head_count");
  }

  private int kvHeads() {
    String key = prefix + "attention.head_count_kv";
    return gguf.has(key) ? gguf.integer(key) : heads();
  }

  private int headDim() {
    String key = prefix + "attention.key_length";
    int heads = Math.max(1, heads());
    return gguf.has(key) ? gguf.integer(key) : gguf.integer(prefix + "embedding_length") / heads;
  }

  private int rotaryDims(int headDim) {
    String key = prefix + "rope.dimension_count";
    if (gguf.has(key) && gguf.integer(key) != headDim) {
      throw gguf.refuse("rotary positions over a part of each head are not supported");
    }
    return headDim;
  }

  private double epsilon() {
    return gguf.real(prefix + "attention.layer_norm_rms_epsilon");
  }

  private double ropeBase(double otherwise) {
    String key = prefix + "rope.freq_base";
    return gguf.has(key) ? gguf.real(key) : otherwise;
  }

  private void refuseRopeScaling() {
    String key = prefix + "rope.scaling.type";
    if (gguf.has(key) && !gguf.string(key).equals("none")) {
      throw gguf.refuse("rope scaling of type " + quote(gguf.string(key)) + " is not supported");
    }
  }

  private OptionalInt token(String which) {
    String key = "tokenizer.ggml." + which + "_token_id";
    return gguf.has(key) ? OptionalInt.of(gguf.integer(key)) : OptionalInt.empty();
  }

  private List<SafetensorsWriter.Item> items() {
    Set<String> unread = new TreeSet<>(gguf.names());
    List<SafetensorsWriter.Item> items = new ArrayList<>();
    for (Slot slot : TensorNames.of(config).slots()) {
      String source = sourceName(slot);
      if (!unread.remove(source)) {
        throw gguf.refuse("tensor " + quote(source) + " is missing");
      }
      if (!Arrays.equals(gguf.shape(source), slot.shape())) {
        throw gguf.refuse(
            "tensor "
                + quote(source)
                + " has shape "
                + Arrays.toString(gguf.shape(source))
                + ", the settings ask for "
                + Arrays.toString(slot.shape()));
      }
      items.add(
          new SafetensorsWriter.Item(
              slot.name(), DType.F32, slot.shape(), sink -> write(slot, source, sink)));
    }
    if (!unread.isEmpty()) {
      throw gguf.refuse(
          "tensor "
              + quote(unread.iterator().next())
              + " has no place in a "
              + config.family()
              + " model");
    }
    return items;
  }

  private String sourceName(Slot slot) {
    String part =
        switch (slot.role()) {
          case EMBEDDING -> "token_embd";
          case HEAD -> "output";
          case FINAL_NORM -> "output_norm";
          case ATTENTION_NORM -> "attn_norm";
          case QUERY -> "attn_q";
          case KEY -> "attn_k";
          case VALUE -> "attn_v";
          case QUERY_NORM -> "attn_q_norm";
          case KEY_NORM -> "attn_k_norm";
          case ATTENTION_OUTPUT -> "attn_output";
          case POST_ATTENTION_NORM -> "post_attention_norm";
          case FEED_FORWARD_NORM -> "ffn_norm";
          case POST_FEED_FORWARD_NORM -> "post_ffw_norm";
          case GATE -> "ffn_gate";
          case UP -> "ffn_up";
          case DOWN -> "ffn_down";
          case POSITIONS, SEGMENTS, EMBEDDING_NORM, QUERY_KEY_VALUE ->
              throw new IllegalStateException("no imported family has " + slot.role());
        };
    String block = slot.role().perLayer() ? "blk." + slot.layer() + "." : "";
    return block + part + ".weight";
  }

  /** Row after row, so that no more than a piece of the model is ever in memory. */
  private void write(Slot slot, String source, SafetensorsWriter.Sink sink) throws IOException {
    int cols = Math.toIntExact(slot.shape()[slot.shape().length - 1]);
    long rows = slot.size() / cols;
    int rowsAtOnce = (int) Math.max(1, Math.min(rows, PIECE / cols));
    float[] numbers = new float[cols];
    MemorySegment row = MemorySegment.ofArray(numbers);
    try (TensorArena scratch = new TensorArena()) {
      MemorySegment piece = scratch.allocate(DType.F32, rowsAtOnce, cols).data();
      for (long first = 0; first < rows; first += rowsAtOnce) {
        int count = (int) Math.min(rowsAtOnce, rows - first);
        for (int i = 0; i < count; i++) {
          gguf.row(source, sourceRow(slot.role(), first + i), numbers);
          subtractOne(slot, numbers);
          MemorySegment.copy(row, 0, piece, i * row.byteSize(), row.byteSize());
        }
        sink.write(piece.asSlice(0, count * row.byteSize()));
      }
    }
  }

  private void subtractOne(Slot slot, float[] numbers) {
    if (config.norm().plusOne() && slot.shape().length == 1) {
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] -= 1;
      }
    }
  }

  /**
   * Where a row of Hugging Face's order stands in the file. In Llama's query and key matrices row
   * (head, half, i) stands at (head, i, half).
   */
  private long sourceRow(Role role, long row) {
    if (!config.family().equals("llama") || role != Role.QUERY && role != Role.KEY) {
      return row;
    }
    int headDim = config.attention().headDim();
    long head = row / headDim;
    long half = row % headDim / (headDim / 2);
    long i = row % (headDim / 2);
    return head * headDim + i * 2 + half;
  }
}
