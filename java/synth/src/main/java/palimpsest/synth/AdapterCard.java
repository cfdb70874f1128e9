package palimpsest.synth;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.BoundedJson;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.Sha256;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;

/**
 * What an adapter, or a model all of whose weights were tuned, needs besides its weights: the
 * public words it was tuned with, without which it cannot be sampled from, and the statement it was
 * released with, which everything sampled from it carries on.
 *
 * @param baseModel name of the base model
 * @param baseModelSha256 digest of its weights, 64 hexadecimal digits
 * @param trained patterns of the names of the tensors that were trained, where some of the base
 *     model's own were and others not; else empty
 * @param maxTokens longest record, prompt included
 * @param statement the privacy statement in words
 */
public record AdapterCard(
    String baseModel,
    String baseModelSha256,
    List<String> trained,
    Labels labels,
    Synthesis.Prompt prompt,
    int maxTokens,
    String statement) {
  private static final String FILE = ModelFolder.CARD;
  private static final String TRAINED = "trained";
  private static final String OWN_WEIGHTS = "weightsSha256";
  private static final String OWN_STATEMENT = "statementSha256";
  private static final int MAX_BYTES = 16 << 20;
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  /** Writes the card into an adapter's folder. */
  void write(Path folder) throws IOException {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("baseModel", baseModel);
    fields.put("baseModelSha256", baseModelSha256);
    if (!trained.isEmpty()) {
      fields.put(TRAINED, trained);
    }
    fields.put(OWN_WEIGHTS, ownWeights(folder));
    byte[] words = statement.getBytes(StandardCharsets.UTF_8);
    fields.put(OWN_STATEMENT, Sha256.of(words));
    fields.put("kind", prompt.kind());
    prompt.pattern().ifPresent(pattern -> fields.put("template", pattern));
    fields.put("maxTokens", maxTokens);
    List<Map<String, Object>> rows = new ArrayList<>();
    for (int i = 0; i < labels.size(); i++) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("label", labels.name(i));
      labels.description(i).ifPresent(text -> row.put("description", text));
      row.put("weight", labels.weight(i));
      rows.add(row);
    }
    fields.put("labels", rows);
    AtomicFiles.file(
        folder.resolve(FILE),
        (JSON.writeValueAsString(fields) + "\n").getBytes(StandardCharsets.UTF_8));
    AtomicFiles.file(folder.resolve(Synthesis.STATEMENT_TEXT), words);
  }

  /**
   * Of the weights that lie beside the card: of their files' digests, in the order of the names.
   */
  private static String ownWeights(Path folder) throws IOException {
    StringBuilder digests = new StringBuilder();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file :
          files.filter(path -> path.toString().endsWith(".safetensors")).sorted().toList()) {
        digests.append(file.getFileName()).append(Sha256.of(file));
      }
    }
    return Sha256.of(digests.toString().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Refuses weights that are not those that the card was written for: its statement says nothing of
   * others.
   *
   * @param folder with a card
   * @throws ModelFileException if they were changed, or cannot be read
   */
  public static void requireOwnWeights(Path folder) {
    String written = BoundedJson.read(folder.resolve(FILE), MAX_BYTES).path(OWN_WEIGHTS).asText();
    try {
      if (!written.equals(ownWeights(folder))) {
        throw new ModelFileException(
            folder
                + ": its weights are not those that its statement was written for; take the ones that were released");
      }
    } catch (IOException e) {
      throw new ModelFileException(folder + ": its weights cannot be read", e);
    }
  }

  /**
   * Refuses a model that was tuned on private records as the base of something else, whose
   * statement would not speak of them.
   *
   * @throws palimpsest.synth.text.InputException if there is a card in its folder
   */
  public static void refuseAsBase(Path model) {
    if (Files.exists(model.resolve(FILE))) {
      throw new InputException(
          model
              + ": was tuned on private records, which no statement of a new run would speak of; take a public model");
    }
  }

  /**
   * Reads the card of an adapter's folder; empty if another program made the adapter.
   *
   * @throws ModelFileException if the card is there and malformed, or its statement is missing or
   *     another
   */
  public static Optional<AdapterCard> read(Path folder) {
    Path file = folder.resolve(FILE);
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    JsonNode fields = BoundedJson.read(file, MAX_BYTES);
    String statement = statement(folder, fields.path(OWN_STATEMENT).asText());
    try {
      List<String> trained = new ArrayList<>();
      fields.path(TRAINED).forEach(pattern -> trained.add(pattern.asText()));
      List<String> names = new ArrayList<>();
      List<Optional<String>> descriptions = new ArrayList<>();
      List<Double> weights = new ArrayList<>();
      for (JsonNode row : fields.required("labels")) {
        names.add(row.required("label").asText());
        descriptions.add(Optional.ofNullable(row.get("description")).map(JsonNode::asText));
        weights.add(row.required("weight").asDouble());
      }
      return Optional.of(
          new AdapterCard(
              fields.required("baseModel").asText(),
              fields.required("baseModelSha256").asText(),
              new TensorPatterns(trained).patterns(),
              Labels.of(names, descriptions).withWeights(weights),
              new Synthesis.Prompt(
                  fields.required("kind").asText(),
                  Optional.ofNullable(fields.get("template")).map(JsonNode::asText)),
              fields.required("maxTokens").asInt(),
              statement));
    } catch (IllegalArgumentException e) {
      throw new ModelFileException(file + ": a field is missing or wrong", e);
    }
  }

  private static String statement(Path folder, String sha256) {
    byte[] words;
    try {
      words = Files.readAllBytes(folder.resolve(Synthesis.STATEMENT_TEXT));
    } catch (IOException e) {
      throw new ModelFileException(
          folder + ": the adapter has no " + Synthesis.STATEMENT_TEXT + " that can be read", e);
    }
    if (!sha256.equals(Sha256.of(words))) {
      throw new ModelFileException(
          folder
              + ": its statement is not the one that its card was written for; take the folder as it was released");
    }
    return new String(words, StandardCharsets.UTF_8);
  }
}
