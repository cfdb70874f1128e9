package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TuningMethod;
import palimpsest.privacy.ClipRule;

/** The schema that ships says of every statement neither too much nor too little. */
class StatementSchemaTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private static Schema schema() throws IOException {
    try (InputStream in = Synthesis.class.getResourceAsStream("privacy.schema.json")) {
      return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12).getSchema(in);
    }
  }

  private static List<?> errors(Schema schema, JsonNode statement) {
    return schema.validate(statement.toString(), InputFormat.JSON);
  }

  @ParameterizedTest
  @ValueSource(doubles = {8, Double.POSITIVE_INFINITY})
  void everyStatementFollowsTheSchema(double epsilon) throws IOException {
    assertEquals(List.of(), errors(schema(), statement(epsilon)));
  }

  @ParameterizedTest
  @FieldSource("palimpsest.synth.ClipRulesTest#RULES")
  void itKnowsEveryRuleOfClipping(ClipRule rule) throws IOException {
    TinySetting setting = new TinySetting(folder);
    setting.run(
        TinySetting.settings(8, 2).withClipRule(rule), 0, false, SynthesisListener.silent());
    assertEquals(List.of(), errors(schema(), read(setting)));
  }

  static final List<TuningMethod> METHODS =
      List.of(
          TuningMethod.Lora.of(2),
          new TuningMethod.Prompt(3),
          new TuningMethod.Bias(Set.of()),
          new TuningMethod.Full(),
          new TuningMethod.Full(Norms.SKETCHED),
          new TuningMethod.Full(new TensorPatterns(List.of("*norm*", "!model.norm.weight"))));

  @ParameterizedTest
  @FieldSource("METHODS")
  void nothingIsMissingAndNothingUnknown(TuningMethod method) throws IOException {
    Schema schema = schema();
    TinySetting setting = new TinySetting(folder);
    setting.run(method, 2, 0, false, SynthesisListener.silent());
    JsonNode statement = read(setting);
    assertEquals(List.of(), errors(schema, statement));
    for (String other : new String[] {"lora", "prompt", "bias", "full"}) {
      JsonNode changed = statement.deepCopy();
      ((ObjectNode) changed.at("/made")).put("method", other);
      assertEquals(other.equals(method.id()), errors(schema, changed).isEmpty(), other);
    }
    for (String part : new String[] {"", "/made"}) {
      List<String> names = new ArrayList<>();
      statement.at(part).fieldNames().forEachRemaining(names::add);
      for (String name : names) {
        JsonNode without = statement.deepCopy();
        ((ObjectNode) without.at(part)).remove(name);
        assertFalse(errors(schema, without).isEmpty(), "without " + part + "/" + name);
      }
      JsonNode more = statement.deepCopy();
      ((ObjectNode) more.at(part)).put("losses", 1.5);
      assertFalse(errors(schema, more).isEmpty(), "what is not listed is not released");
    }
  }

  private JsonNode statement(double epsilon) throws IOException {
    TinySetting setting = new TinySetting(folder);
    setting.run(epsilon, 2, 0, false, SynthesisListener.silent());
    return read(setting);
  }

  private static JsonNode read(TinySetting setting) throws IOException {
    return JSON.readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile());
  }
}
