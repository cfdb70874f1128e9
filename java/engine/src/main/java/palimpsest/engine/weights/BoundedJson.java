package palimpsest.engine.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON of untrusted files: bounded in size and depth, a key twice is an error. */
public final class BoundedJson {
  private static final int MAX_DEPTH = 16;

  /** Texts need no bound of their own, since the file has one. */
  private static final JsonMapper MAPPER =
      JsonMapper.builder(factory(MAX_DEPTH, 4096, Integer.MAX_VALUE))
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private BoundedJson() {}

  /** A parser factory that refuses deep nesting, long numbers and a key that appears twice. */
  static JsonFactory factory(int maxDepth, int maxName, int maxString) {
    return JsonFactory.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .streamReadConstraints(
            StreamReadConstraints.builder()
                .maxNestingDepth(maxDepth)
                .maxNameLength(maxName)
                .maxStringLength(maxString)
                .maxNumberLength(40)
                .build())
        .build();
  }

  /**
   * The object that a file holds.
   *
   * @param maxBytes a longer file is refused unread
   * @throws ModelFileException if the file is missing, too long, or not one JSON object in UTF-8
   */
  public static ObjectNode read(Path file, int maxBytes) {
    String text = decode(bytes(file, maxBytes), file);
    try {
      JsonNode node = MAPPER.readTree(text);
      if (node instanceof ObjectNode object) {
        return object;
      }
      throw new ModelFileException(file + ": not a JSON object");
    } catch (JsonProcessingException e) {
      throw new ModelFileException(file + ": not valid JSON" + position(e), e);
    }
  }

  private static byte[] bytes(Path file, int maxBytes) {
    if (!Files.isRegularFile(file)) {
      throw new ModelFileException("no such file: " + file);
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(maxBytes + 1);
      if (bytes.length > maxBytes) {
        throw new ModelFileException(file + ": over the limit of " + maxBytes + " bytes");
      }
      return bytes;
    } catch (IOException e) {
      throw new ModelFileException("cannot read " + file, e);
    }
  }

  /** Strict UTF-8: a parser given bytes would guess the encoding. */
  static String decode(byte[] bytes, Path file) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new ModelFileException(file + ": text is not UTF-8", e);
    }
  }

  /** Where parsing stopped; the parser's own message would quote the file over several lines. */
  static String position(JsonProcessingException e) {
    return e.getLocation() == null
        ? ""
        : " at line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr();
  }
}
