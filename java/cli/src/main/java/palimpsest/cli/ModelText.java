package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.ModelConfig;

/** A model as it is shown. */
record ModelText(Map<String, Object> fields) {
  static ModelText of(ModelCache.Info info) {
    ModelConfig config = info.config();
    DecoderConfig.AttentionOptions attention = config.attention();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("name", info.name());
    fields.put("folder", info.path().toString());
    fields.put("kind", config instanceof EncoderConfig ? "encoder" : "decoder");
    fields.put("family", config.family());
    fields.put("parameters", config.parameterCount());
    fields.put("bytes", info.bytes());
    fields.put("layers", config.layers());
    fields.put("width", config.width());
    fields.put("heads", attention.heads());
    fields.put("key_value_heads", attention.kvHeads());
    fields.put("head_size", attention.headDim());
    fields.put("feed_forward", config.feedForward().width());
    fields.put("activation", word(config.feedForward().activation()));
    fields.put("norm", word(config.norm().kind()));
    fields.put("positions", word(positions(config)));
    fields.put("vocabulary", config.vocabularySize());
    fields.put("context", config.contextLength());
    if (config instanceof DecoderConfig decoder) {
      fields.put("tied_head", decoder.tiedHead());
    }
    return new ModelText(fields);
  }

  private static DecoderConfig.PositionKind positions(ModelConfig config) {
    return switch (config) {
      case DecoderConfig decoder -> decoder.position().kind();
      case EncoderConfig _ -> DecoderConfig.PositionKind.LEARNED;
    };
  }

  private static String word(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT);
  }

  /** Name, size and place. */
  String line() {
    return "%-20s %6.1f M parameters, %5.0f MB, %s"
        .formatted(
            fields.get("name"),
            (long) fields.get("parameters") / 1e6,
            (long) fields.get("bytes") / 1e6,
            fields.get("folder"));
  }

  /** A line a field. */
  String text() {
    StringBuilder text = new StringBuilder();
    fields.forEach(
        (name, value) -> text.append("%-16s %s%n".formatted(name.replace('_', ' '), value)));
    return text.toString();
  }
}
