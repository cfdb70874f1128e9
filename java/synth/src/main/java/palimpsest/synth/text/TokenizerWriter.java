package palimpsest.synth.text;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;

/**
 * Writes a learned vocabulary as a Hugging Face tokenizer.json, for {@link Tokenizer#read} and for
 * other programs. The same vocabulary gives the same bytes.
 */
public final class TokenizerWriter {
  private final JsonGenerator json;

  private TokenizerWriter(JsonGenerator json) {
    this.json = json;
  }

  /**
   * Writes the whole file.
   *
   * @param out stays open
   * @throws IOException if the stream fails
   */
  public static void write(TrainedVocabulary vocabulary, OutputStream out) throws IOException {
    JsonFactory factory =
        JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();
    try (JsonGenerator json = factory.createGenerator(out, JsonEncoding.UTF8)) {
      json.useDefaultPrettyPrinter();
      new TokenizerWriter(json).writeFile(vocabulary);
    }
  }

  private void writeFile(TrainedVocabulary vocabulary) throws IOException {
    json.writeStartObject();
    json.writeStringField("version", "1.0");
    json.writeNullField("truncation");
    json.writeNullField("padding");
    writeAddedTokens(vocabulary.settings().specialTokens());
    json.writeNullField("normalizer");
    json.writeFieldName("pre_tokenizer");
    writePreTokenizer(vocabulary.settings().individualDigits());
    json.writeNullField("post_processor");
    json.writeFieldName("decoder");
    writeByteLevel();
    writeModel(vocabulary);
    json.writeEndObject();
  }

  private void writeAddedTokens(List<String> specialTokens) throws IOException {
    json.writeArrayFieldStart("added_tokens");
    for (int id = 0; id < specialTokens.size(); id++) {
      json.writeStartObject();
      json.writeNumberField("id", id);
      json.writeStringField("content", specialTokens.get(id));
      json.writeBooleanField("single_word", false);
      json.writeBooleanField("lstrip", false);
      json.writeBooleanField("rstrip", false);
      json.writeBooleanField("normalized", false);
      json.writeBooleanField("special", true);
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private void writePreTokenizer(boolean individualDigits) throws IOException {
    if (!individualDigits) {
      writeByteLevel();
      return;
    }
    json.writeStartObject();
    json.writeStringField("type", "Sequence");
    json.writeArrayFieldStart("pretokenizers");
    json.writeStartObject();
    json.writeStringField("type", "Digits");
    json.writeBooleanField("individual_digits", true);
    json.writeEndObject();
    writeByteLevel();
    json.writeEndArray();
    json.writeEndObject();
  }

  private void writeByteLevel() throws IOException {
    json.writeStartObject();
    json.writeStringField("type", "ByteLevel");
    json.writeBooleanField("add_prefix_space", false);
    json.writeBooleanField("trim_offsets", true);
    json.writeBooleanField("use_regex", true);
    json.writeEndObject();
  }

  private void writeModel(TrainedVocabulary vocabulary) throws IOException {
    json.writeObjectFieldStart("model");
    json.writeStringField("type", "BPE");
    json.writeNullField("dropout");
    json.writeNullField("unk_token");
    json.writeNullField("continuing_subword_prefix");
    json.writeNullField("end_of_word_suffix");
    json.writeBooleanField("fuse_unk", false);
    json.writeBooleanField("byte_fallback", false);
    json.writeBooleanField("ignore_merges", false);
    json.writeObjectFieldStart("vocab");
    for (int id = 0; id < vocabulary.tokens().size(); id++) {
      json.writeNumberField(vocabulary.tokens().get(id), id);
    }
    json.writeEndObject();
    json.writeArrayFieldStart("merges");
    for (TrainedVocabulary.Merge merge : vocabulary.merges()) {
      // Of the two forms the older one, which all versions of the library read.
      json.writeString(merge.left() + " " + merge.right());
    }
    json.writeEndArray();
    json.writeEndObject();
  }
}
