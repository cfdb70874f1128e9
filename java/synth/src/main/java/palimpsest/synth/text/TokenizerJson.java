package palimpsest.synth.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the parts of a Hugging Face tokenizer.json that byte-level BPE or BERT's word pieces need,
 * as a stream with a cap on every size. Truncation, padding and the post-processor are not read:
 * they concern batches of model inputs, not the text's own ids.
 */
final class TokenizerJson {
  static final int MAX_FILE_BYTES = 64 << 20;
  static final int MAX_ADDED = 100_000;
  static final int MAX_TOKEN_CHARACTERS = 1024;
  private static final int MAX_DEPTH = 32;
  private static final int MAX_SETTING_NODES = 2000;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxNameLength(MAX_TOKEN_CHARACTERS)
                  .maxStringLength(1 << 20)
                  .maxNumberLength(20)
                  .maxDocumentLength(MAX_FILE_BYTES)
                  .build())
          .build();

  private final String name;
  private final List<AddedToken> added = new ArrayList<>();
  private final Map<String, Integer> vocabulary = new HashMap<>();
  private final List<String> mergeLefts = new ArrayList<>();
  private final List<String> mergeRights = new ArrayList<>();
  private final Map<String, Object> model = new LinkedHashMap<>();
  private Object normalizer;
  private Object preTokenizer;
  private Object decoder;

  private TokenizerJson(String name) {
    this.name = name;
  }

  /**
   * Reads the whole stream as byte-level BPE.
   *
   * @param name what error messages call the file
   * @throws InputException if it is not such a file, or over a cap
   */
  static TokenizerJson read(InputStream in, String name) {
    TokenizerJson file = parse(in, name);
    file.checkModel();
    return file;
  }

  /**
   * Reads the whole stream as the word pieces of an uncased BERT.
   *
   * @param name what error messages call the file
   * @throws InputException if it is not such a file, or over a cap
   */
  static TokenizerJson readWordPieces(InputStream in, String name) {
    TokenizerJson file = parse(in, name);
    file.checkWordPieces();
    return file;
  }

  private static TokenizerJson parse(InputStream in, String name) {
    TokenizerJson file = new TokenizerJson(name);
    try (JsonParser parser = JSON.createParser(in)) {
      file.readRoot(parser);
    } catch (IOException e) {
      throw new InputException(
          name + ": not a tokenizer.json (broken, too deep or too large JSON); get the file again");
    }
    if (file.vocabulary.isEmpty()) {
      throw file.refuse("it has no model.vocab", "give the tokenizer.json of a model");
    }
    return file;
  }

  List<AddedToken> added() {
    return added;
  }

  Map<String, Integer> vocabulary() {
    return vocabulary;
  }

  /** Merge k, best first, joins {@code mergeLefts.get(k)} and {@code mergeRights.get(k)}. */
  List<String> mergeLefts() {
    return mergeLefts;
  }

  List<String> mergeRights() {
    return mergeRights;
  }

  boolean ignoreMerges() {
    return Boolean.TRUE.equals(model.get("ignore_merges"));
  }

  InputException refuse(String what, String remedy) {
    return new InputException(name + ": " + what + "; " + remedy);
  }

  private void readRoot(JsonParser parser) throws IOException {
    expect(parser.nextToken(), JsonToken.START_OBJECT, "the file");
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (key) {
        case "model" -> readModel(parser, value);
        case "added_tokens" -> readAdded(parser, value);
        case "normalizer" -> normalizer = readSetting(parser);
        case "pre_tokenizer" -> preTokenizer = readSetting(parser);
        case "decoder" -> decoder = readSetting(parser);
        default -> parser.skipChildren();
      }
    }
    if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) {
      throw refuse("the JSON does not end where it should", "get the file again");
    }
  }

  private void readModel(JsonParser parser, JsonToken value) throws IOException {
    expect(value, JsonToken.START_OBJECT, "model");
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      JsonToken inner = parser.nextToken();
      switch (key) {
        case "vocab" -> readVocabulary(parser, inner);
        case "merges" -> readMerges(parser, inner);
        default -> model.put(key, readSetting(parser));
      }
    }
  }

  private void readVocabulary(JsonParser parser, JsonToken value) throws IOException {
    expect(value, JsonToken.START_OBJECT, "model.vocab");
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String token = parser.currentName();
      expect(parser.nextToken(), JsonToken.VALUE_NUMBER_INT, "a value of model.vocab");
      int id = checkId(parser.getLongValue());
      if (vocabulary.put(token, id) != null) {
        throw refuse("model.vocab lists a token twice", "get the file again");
      }
      if (vocabulary.size() > MergeTable.MAX_IDS) {
        throw refuse("model.vocab has over " + MergeTable.MAX_IDS + " tokens", "use another model");
      }
    }
  }

  /** Merges stand as "left right" or, in newer files, as ["left", "right"]. */
  private void readMerges(JsonParser parser, JsonToken value) throws IOException {
    expect(value, JsonToken.START_ARRAY, "model.merges");
    JsonToken item;
    while ((item = parser.nextToken()) != JsonToken.END_ARRAY) {
      if (item == JsonToken.START_ARRAY) {
        mergeLefts.add(string(parser, parser.nextToken()));
        mergeRights.add(string(parser, parser.nextToken()));
        expect(parser.nextToken(), JsonToken.END_ARRAY, "the end of a merge");
      } else {
        String merge = string(parser, item);
        int space = merge.indexOf(' ');
        if (space <= 0 || space != merge.lastIndexOf(' ') || space == merge.length() - 1) {
          throw refuse("merge " + mergeLefts.size() + " is not two tokens", "get the file again");
        }
        mergeLefts.add(merge.substring(0, space));
        mergeRights.add(merge.substring(space + 1));
      }
      if (mergeLefts.size() > MergeTable.MAX_IDS) {
        throw refuse("it has over " + MergeTable.MAX_IDS + " merges", "use another model");
      }
    }
  }

  private String string(JsonParser parser, JsonToken token) throws IOException {
    expect(token, JsonToken.VALUE_STRING, "a part of a merge");
    String text = parser.getText();
    if (text.length() > 2 * MAX_TOKEN_CHARACTERS + 1) {
      throw refuse("a merge is over the length limit", "use another model");
    }
    return text;
  }

  private void readAdded(JsonParser parser, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_NULL) {
      return;
    }
    expect(value, JsonToken.START_ARRAY, "added_tokens");
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      Object setting = readSetting(parser);
      if (!(setting instanceof Map<?, ?> token
          && token.get("id") instanceof Long id
          && token.get("content") instanceof String content)) {
        throw refuse("an added token has no id or content", "get the file again");
      }
      if (content.isEmpty() || content.length() > MAX_TOKEN_CHARACTERS) {
        throw refuse("added token " + id + " is empty or too long", "use another model");
      }
      for (String flag : List.of("single_word", "lstrip", "rstrip")) {
        if (Boolean.TRUE.equals(token.get(flag))) {
          throw refuse(
              "added token " + id + " sets " + flag + ", which is not supported",
              "use another model");
        }
      }
      boolean special = Boolean.TRUE.equals(token.get("special"));
      added.add(new AddedToken(checkId(id), content, special));
      if (added.size() > MAX_ADDED) {
        throw refuse("it has over " + MAX_ADDED + " added tokens", "use another model");
      }
    }
  }

  private int checkId(long id) {
    if (id < 0 || id >= MergeTable.MAX_IDS) {
      throw refuse("token id " + id + " is outside 0.." + (MergeTable.MAX_IDS - 1), "get it again");
    }
    return (int) id;
  }

  private void expect(JsonToken found, JsonToken wanted, String where) {
    if (found != wanted) {
      throw refuse(where + " is not what it should be (" + wanted + ")", "get the file again");
    }
  }

  /** A small value as Map, List, String, Long, Double, Boolean or null. */
  private Object readSetting(JsonParser parser) throws IOException {
    return readSetting(parser, new int[] {MAX_SETTING_NODES});
  }

  private Object readSetting(JsonParser parser, int[] budget) throws IOException {
    if (--budget[0] < 0) {
      throw refuse("a setting is far too large", "use another model");
    }
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        Map<String, Object> map = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String key = parser.currentName();
          parser.nextToken();
          map.put(key, readSetting(parser, budget));
        }
        yield map;
      }
      case START_ARRAY -> {
        List<Object> list = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          list.add(readSetting(parser, budget));
        }
        yield list;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      case VALUE_TRUE -> Boolean.TRUE;
      case VALUE_FALSE -> Boolean.FALSE;
      case VALUE_NULL -> null;
      case null, default -> throw refuse("the JSON ends too early", "get the file again");
    };
  }

  private void checkModel() {
    Object type = model.get("type");
    if (type != null && !type.equals("BPE")) {
      throw refuse(
          "model type " + quoted(type) + " is not supported", "use a byte-level BPE model");
    }
    for (String key : List.of("dropout", "continuing_subword_prefix", "end_of_word_suffix")) {
      Object value = model.get(key);
      if (value != null && !value.equals("") && !value.equals(0.0) && !value.equals(0L)) {
        throw refuse("model." + key + " is not supported", "use a byte-level BPE model");
      }
    }
    if (Boolean.TRUE.equals(model.get("byte_fallback"))) {
      throw refuse("model.byte_fallback is not supported", "use a byte-level BPE model");
    }
    if (normalizer != null && !(isType(normalizer, "Sequence") && children(normalizer).isEmpty())) {
      throw refuse("normalizer " + typeOf(normalizer) + " is not supported", "use another model");
    }
    if (decoder != null && !isType(decoder, "ByteLevel")) {
      throw refuse(
          "decoder " + typeOf(decoder) + " is not supported", "use a byte-level BPE model");
    }
  }

  /** That the file asks for what {@link WordPiece} does, and for nothing else. */
  private void checkWordPieces() {
    requireSetting("model.type", model.get("type"), "WordPiece");
    requireSetting("model.unk_token", model.get("unk_token"), "[UNK]");
    requireSetting(
        "model.continuing_subword_prefix",
        model.getOrDefault("continuing_subword_prefix", WordPiece.CONTINUES),
        WordPiece.CONTINUES);
    requireSetting(
        "model.max_input_chars_per_word",
        model.getOrDefault("max_input_chars_per_word", (long) WordPiece.MAX_WORD_CHARACTERS),
        (long) WordPiece.MAX_WORD_CHARACTERS);
    requireSetting("normalizer", typeIn(normalizer), "BertNormalizer");
    Map<?, ?> clean = (Map<?, ?>) normalizer;
    requireSetting("normalizer.clean_text", clean.get("clean_text"), true);
    requireSetting("normalizer.handle_chinese_chars", clean.get("handle_chinese_chars"), true);
    requireSetting("normalizer.lowercase", clean.get("lowercase"), true);
    if (clean.get("strip_accents") != null) {
      requireSetting("normalizer.strip_accents", clean.get("strip_accents"), true);
    }
    requireSetting("pre_tokenizer", typeIn(preTokenizer), "BertPreTokenizer");
    for (AddedToken token : added) {
      if (!token.special()
          || !Integer.valueOf(token.id()).equals(vocabulary.get(token.content()))) {
        throw refuse(
            "added token " + token.id() + " is no control token of model.vocab",
            "use an uncased BERT model");
      }
    }
  }

  private void requireSetting(String what, Object found, Object wanted) {
    if (!wanted.equals(found)) {
      throw refuse(
          what + " is " + quoted(found) + ", supported is " + quoted(wanted),
          "use an uncased BERT model");
    }
  }

  /** The splitting that the file asks for, if it is a known one. */
  PreTokenizer preTokenizer() {
    List<?> steps =
        isType(preTokenizer, "Sequence") ? children(preTokenizer) : listOf(preTokenizer);
    boolean digitsAlone = false;
    PreTokenizer.Pattern pattern = PreTokenizer.Pattern.WHOLE;
    int last = steps.size() - 1;
    for (int i = 0; i < last; i++) {
      if (i == 0 && isDigitsAlone(steps.get(i))) {
        digitsAlone = true;
      } else if (pattern == PreTokenizer.Pattern.WHOLE && isType(steps.get(i), "Split")) {
        pattern = splitPattern((Map<?, ?>) steps.get(i));
      } else {
        throw unknown(steps.get(i));
      }
    }
    if (last < 0 || !isType(steps.get(last), "ByteLevel")) {
      throw unknown(last < 0 ? null : steps.get(last));
    }
    Map<?, ?> byteLevel = (Map<?, ?>) steps.get(last);
    if (Boolean.TRUE.equals(byteLevel.get("add_prefix_space"))) {
      throw refuse("pre_tokenizer add_prefix_space is not supported", "use another model");
    }
    if (!Boolean.FALSE.equals(byteLevel.get("use_regex"))) {
      if (pattern != PreTokenizer.Pattern.WHOLE) {
        throw refuse("pre_tokenizer splits twice, which is not supported", "use another model");
      }
      pattern = PreTokenizer.Pattern.GPT2;
    }
    return new PreTokenizer(digitsAlone, pattern);
  }

  private PreTokenizer.Pattern splitPattern(Map<?, ?> split) {
    PreTokenizer.Pattern known =
        split.get("pattern") instanceof Map<?, ?> map && map.get("Regex") instanceof String regex
            ? PreTokenizer.Pattern.of(regex)
            : null;
    boolean inverted = Boolean.TRUE.equals(split.get("invert"));
    boolean keepsMatches =
        "Isolated".equals(split.get("behavior")) && !inverted
            || "Removed".equals(split.get("behavior")) && inverted;
    if (known == null || !keepsMatches) {
      throw unknown(split);
    }
    return known;
  }

  private InputException unknown(Object step) {
    return refuse(
        "pre_tokenizer " + typeOf(step) + " with these settings is not known",
        "use a model with GPT-2 or SmolLM2 splitting (patterns from a file are never run)");
  }

  private static boolean isDigitsAlone(Object step) {
    return isType(step, "Digits")
        && Boolean.TRUE.equals(((Map<?, ?>) step).get("individual_digits"));
  }

  private static boolean isType(Object setting, String type) {
    return setting instanceof Map<?, ?> map && type.equals(map.get("type"));
  }

  private static List<?> children(Object sequence) {
    for (String key : List.of("pretokenizers", "normalizers")) {
      if (((Map<?, ?>) sequence).get(key) instanceof List<?> list) {
        return list;
      }
    }
    return List.of();
  }

  private static List<?> listOf(Object setting) {
    return setting == null ? List.of() : List.of(setting);
  }

  private static String typeOf(Object setting) {
    return setting instanceof Map<?, ?> ? quoted(typeIn(setting)) : "none";
  }

  private static Object typeIn(Object setting) {
    return setting instanceof Map<?, ?> map ? map.get("type") : null;
  }

  /** A name from an untrusted file, cut and stripped of control characters for a message. */
  private static String quoted(Object value) {
    String text = String.valueOf(value).replaceAll("[^\\x20-\\x7E]", "?");
    return "'" + (text.length() > 40 ? text.substring(0, 40) + "..." : text) + "'";
  }
}
