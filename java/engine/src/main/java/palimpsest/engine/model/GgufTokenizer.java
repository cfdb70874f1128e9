package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.weights.Gguf;

/**
 * The tokenizer of a GGUF file as Hugging Face's tokenizer.json: byte-level BPE ({@code gpt2}) from
 * its merges.
 */
final class GgufTokenizer {
  private static final String PREFIX = "tokenizer.ggml.";
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final JsonMapper JSON = new JsonMapper();

  private final Gguf gguf;
  private final List<String> tokens;
  private final long[] types;
  private final ObjectNode json = JSON.createObjectNode();

  private GgufTokenizer(Gguf gguf) {
    this.gguf = gguf;
    this.tokens = gguf.strings(PREFIX + "tokens");
    this.types = gguf.integers(PREFIX + "token_type");
    long rows = gguf.shape("token_embd.weight")[0];
    if (types.length != tokens.size() || rows != tokens.size()) {
      throw gguf.refuse(
          tokens.size()
              + " tokens, "
              + types.length
              + " token types, "
              + rows
              + " rows in the embedding: the numbers differ");
    }
  }

  static byte[] json(Gguf gguf) {
    return new GgufTokenizer(gguf).json();
  }

  private byte[] json() {
    String model = gguf.string(PREFIX + "model");
    json.put("version", "1.0");
    json.putNull("truncation");
    json.putNull("padding");
    addedTokens(json.putArray("added_tokens"));
    switch (model) {
      case "gpt2" -> byteLevel();
      default ->
          throw gguf.refuse("tokenizer model " + quote(model) + " cannot be imported; gpt2 can");
    }
    return ConfigWriter.bytes(json);
  }

  private void addedTokens(ArrayNode added) {
    for (int id = 0; id < types.length; id++) {
      if (types[id] != CONTROL && types[id] != USER_DEFINED) {
        continue;
      }
      ObjectNode token = added.addObject();
      token.put("id", id);
      token.put("content", tokens.get(id));
      token.put("single_word", false);
      token.put("lstrip", false);
      token.put("rstrip", false);
      token.put("normalized", false);
      token.put("special", types[id] == CONTROL);
    }
  }

  private void byteLevel() {
    json.putNull("normalizer");
    json.set("pre_tokenizer", preTokenizer());
    json.putNull("post_processor");
    json.set("decoder", byteLevelNode());
    ObjectNode bpe = bpe(false);
    Map<String, Integer> ids = vocabulary(bpe);
    ArrayNode merges = bpe.putArray("merges");
    for (String merge : gguf.strings(PREFIX + "merges")) {
      int space = merge.indexOf(' ');
      String left = merge.substring(0, Math.max(0, space));
      String right = merge.substring(space + 1);
      if (!ids.containsKey(left) || !ids.containsKey(right) || !ids.containsKey(left + right)) {
        throw gguf.refuse("merge " + quote(merge) + " does not join two tokens to a third");
      }
      merges.add(merge);
    }
  }

  private ObjectNode bpe(boolean byteFallback) {
    ObjectNode bpe = json.putObject("model");
    bpe.put("type", "BPE");
    bpe.putNull("dropout");
    bpe.putNull("unk_token");
    bpe.putNull("continuing_subword_prefix");
    bpe.putNull("end_of_word_suffix");
    bpe.put("fuse_unk", false);
    bpe.put("byte_fallback", byteFallback);
    bpe.put("ignore_merges", false);
    return bpe;
  }

  private Map<String, Integer> vocabulary(ObjectNode bpe) {
    ObjectNode vocabulary = bpe.putObject("vocab");
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < tokens.size(); id++) {
      if (ids.put(tokens.get(id), id) != null) {
        throw gguf.refuse("token " + quote(tokens.get(id)) + " appears twice");
      }
      vocabulary.put(tokens.get(id), id);
    }
    return ids;
  }

  private ObjectNode preTokenizer() {
    String kind = gguf.has(PREFIX + "pre") ? gguf.string(PREFIX + "pre") : "gpt-2";
    return switch (kind) {
      case "gpt-2" -> byteLevelNode();
      case "smollm" -> {
        ObjectNode sequence = JSON.createObjectNode();
        sequence.put("type", "Sequence");
        ArrayNode steps = sequence.putArray("pretokenizers");
        steps.addObject().put("type", "Digits").put("individual_digits", true);
        steps.add(byteLevelNode());
        yield sequence;
      }
      default ->
          throw gguf.refuse(
              "pre-tokenizer " + quote(kind) + " cannot be imported; gpt-2 and smollm can");
    };
  }

  private static ObjectNode byteLevelNode() {
    ObjectNode node = JSON.createObjectNode();
    node.put("type", "ByteLevel");
    node.put("add_prefix_space", false);
    node.put("trim_offsets", true);
    node.put("use_regex", true);
    return node;
  }
}
