package palimpsest.engine.model;

import static palimpsest.engine.weights.ModelFileException.quote;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import palimpsest.engine.weights.Gguf;

/**
 * The tokenizer of a GGUF file as Hugging Face's tokenizer.json: byte-level BPE ({@code gpt2}) from
 * its merges, SentencePiece BPE ({@code llama}) from its scores.
 */
final class GgufTokenizer {
  private static final String PREFIX = "tokenizer.ggml.";
  private static final String SPACE = "\u2581";
  private static final int NORMAL = 1;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int MAX_PIECE = 1024;
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
      case "llama" -> sentencePiece();
      default ->
          throw gguf.refuse(
              "tokenizer model " + quote(model) + " cannot be imported; gpt2 and llama can");
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

  /**
   * SentencePiece BPE as a merge table: every split of a piece into two pieces, best score of the
   * whole first. Spaces are U+2581, unknown characters bytes {@code <0xNN>}.
   */
  private void sentencePiece() {
    if (gguf.has(PREFIX + "add_space_prefix") && gguf.flag(PREFIX + "add_space_prefix")) {
      throw gguf.refuse("a tokenizer that puts a space in front of a text cannot be imported");
    }
    json.set("normalizer", replace(" ", SPACE));
    json.putNull("pre_tokenizer");
    json.putNull("post_processor");
    ObjectNode decoder = json.putObject("decoder").put("type", "Sequence");
    ArrayNode steps = decoder.putArray("decoders");
    steps.add(replace(SPACE, " "));
    steps.addObject().put("type", "ByteFallback");
    steps.addObject().put("type", "Fuse");
    ObjectNode bpe = bpe(true);
    Map<String, Integer> ids = vocabulary(bpe);
    merges(ids, bpe.putArray("merges"));
  }

  private void merges(Map<String, Integer> ids, ArrayNode merges) {
    float[] scores = gguf.reals(PREFIX + "scores");
    if (scores.length != tokens.size()) {
      throw gguf.refuse(scores.length + " scores for " + tokens.size() + " tokens");
    }
    IntStream.range(0, tokens.size())
        .filter(id -> types[id] == NORMAL)
        .boxed()
        .sorted(Comparator.comparing((Integer id) -> -scores[id]))
        .forEach(id -> addSplits(tokens.get(id), ids, merges));
  }

  private void addSplits(String whole, Map<String, Integer> ids, ArrayNode merges) {
    if (whole.length() > MAX_PIECE) {
      throw gguf.refuse("token " + quote(whole) + " is longer than " + MAX_PIECE);
    }
    for (int at = 1; at < whole.length(); at = whole.offsetByCodePoints(at, 1)) {
      Integer left = ids.get(whole.substring(0, at));
      Integer right = ids.get(whole.substring(at));
      if (left != null && right != null && types[left] == NORMAL && types[right] == NORMAL) {
        merges.addArray().add(whole.substring(0, at)).add(whole.substring(at));
      }
    }
  }

  private static ObjectNode replace(String from, String to) {
    ObjectNode node = JSON.createObjectNode();
    node.put("type", "Replace");
    node.putObject("pattern").put("String", from);
    node.put("content", to);
    return node;
  }

  private ObjectNode bpe(boolean byteFallback) {
    ObjectNode bpe = json.putObject("model");
    bpe.put("type", "BPE");
    bpe.putNull("dropout");
    if (byteFallback) {
      bpe.put("unk_token", tokens.get(unknown()));
    } else {
      bpe.putNull("unk_token");
    }
    bpe.putNull("continuing_subword_prefix");
    bpe.putNull("end_of_word_suffix");
    bpe.put("fuse_unk", byteFallback);
    bpe.put("byte_fallback", byteFallback);
    bpe.put("ignore_merges", false);
    return bpe;
  }

  private int unknown() {
    int id = gguf.integer(PREFIX + "unknown_token_id");
    if (id >= tokens.size()) {
      throw gguf.refuse("the unknown token " + id + " is outside the vocabulary");
    }
    return id;
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
