package palimpsest.synth.text;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Writes the tokenizer.json of SmolLM2 from the metadata of its GGUF file. */
final class GgufVocabulary {
  private static final int CONTROL = 3;

  private final ByteBuffer in;

  private GgufVocabulary(ByteBuffer in) {
    this.in = in;
  }

  static byte[] smollm2TokenizerJson(Path gguf) throws IOException {
    try (FileChannel channel = FileChannel.open(gguf)) {
      long head = Math.min(channel.size(), 16 << 20);
      ByteBuffer in = channel.map(FileChannel.MapMode.READ_ONLY, 0, head);
      return json(new GgufVocabulary(in.order(ByteOrder.LITTLE_ENDIAN)).metadata());
    }
  }

  private Map<String, Object> metadata() {
    in.position(16);
    long count = in.getLong();
    Map<String, Object> values = new HashMap<>();
    for (long i = 0; i < count; i++) {
      values.put(string(), value(in.getInt()));
    }
    return values;
  }

  private String string() {
    byte[] bytes = new byte[(int) in.getLong()];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private Object value(int type) {
    return switch (type) {
      case 0, 1, 7 -> in.get();
      case 2, 3 -> in.getShort();
      case 4, 5, 6 -> in.getInt();
      case 8 -> string();
      case 9 -> {
        int inner = in.getInt();
        Object[] items = new Object[(int) in.getLong()];
        for (int i = 0; i < items.length; i++) {
          items[i] = value(inner);
        }
        yield items;
      }
      default -> in.getLong();
    };
  }

  private static byte[] json(Map<String, Object> metadata) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = mapper.createObjectNode();
    ObjectNode model = root.putObject("model").put("type", "BPE");
    ObjectNode vocabulary = model.putObject("vocab");
    ArrayNode added = root.putArray("added_tokens");
    Object[] tokens = (Object[]) metadata.get("tokenizer.ggml.tokens");
    Object[] types = (Object[]) metadata.get("tokenizer.ggml.token_type");
    for (int id = 0; id < tokens.length; id++) {
      vocabulary.put((String) tokens[id], id);
      if (types[id].equals(CONTROL)) {
        added.addObject().put("id", id).put("content", (String) tokens[id]).put("special", true);
      }
    }
    ArrayNode merges = model.putArray("merges");
    for (Object merge : (Object[]) metadata.get("tokenizer.ggml.merges")) {
      merges.add((String) merge);
    }
    ArrayNode steps =
        root.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
    steps.addObject().put("type", "Digits").put("individual_digits", true);
    steps.addObject().put("type", "ByteLevel").put("add_prefix_space", false);
    return mapper.writeValueAsBytes(root);
  }
}
