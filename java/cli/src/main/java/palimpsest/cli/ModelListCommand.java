package palimpsest.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.ModelCatalogue;
import palimpsest.engine.weights.ModelFileException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What is here and what can be had. */
@Command(
    name = "list",
    description = "The models on this machine, and those that `palimpsest model get` brings here.",
    footer = {"", "Example: palimpsest model list"})
final class ModelListCommand extends Verb {
  @Mixin private ModelOptions models;

  @Override
  public Integer call() {
    ModelCache cache = models.cache();
    List<Map<String, Object>> here = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    for (String name : cache.names()) {
      here.add(describe(cache, name, text));
    }
    if (here.isEmpty()) {
      text.append("no model in ").append(cache.root()).append('\n');
    }
    List<Map<String, Object>> available = new ArrayList<>();
    for (ModelCatalogue.Entry entry : ModelCatalogue.entries()) {
      if (!cache.names().contains(entry.name())) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("name", entry.name());
        row.put("title", entry.title());
        row.put("bytes", entry.bytes());
        row.put("licence", entry.licence());
        available.add(row);
        text.append("%-20s can be had: %s%n".formatted(entry.name(), entry.describe()));
      }
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("folder", cache.root().toString());
    fields.put("models", here);
    fields.put("available", available);
    print(fields, text.toString());
    return ExitCode.DONE;
  }

  /** One damaged model must not hide the others. */
  private static Map<String, Object> describe(ModelCache cache, String name, StringBuilder text) {
    try {
      ModelText model = ModelText.of(cache.show(name));
      text.append(model.line()).append('\n');
      return model.fields();
    } catch (ModelFileException e) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("name", name);
      row.put("problem", e.getMessage());
      text.append("%-20s cannot be used: %s%n".formatted(name, e.getMessage()));
      return row;
    }
  }
}
