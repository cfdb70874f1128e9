package palimpsest.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.AdapterCard;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.Synthesis;
import palimpsest.synth.SyntheticRecord;
import palimpsest.synth.TunedModel;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** More records from a released adapter, or some from the base model alone. */
@Command(
    name = "sample",
    description =
        "Draws records from a tuned model: any number, at no further privacy cost. The adapter's privacy statement is"
            + " written beside them.",
    footer = {
      "",
      "Example: palimpsest sample --adapter synthetic-tickets/adapter --records 5000 --out more.jsonl"
    })
final class SampleCommand extends Verb {
  private static final String STANDARD_MODEL = "smollm2-135m";
  private static final int STANDARD_TOKENS = 96;

  @Option(
      names = "--model",
      paramLabel = "M",
      description = "The base model (default: the adapter's, or else " + STANDARD_MODEL + ").")
  private String model;

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description =
          "The adapter, or the model all of whose weights were tuned, which brings its labels, prompt and length with"
              + " it; without one the base model is sampled.")
  private Path adapter;

  @Option(
      names = "--labels",
      paramLabel = "LIST",
      description = "The public list of labels, as for synthesize.")
  private String labels;

  @Mixin private PromptOptions prompt;

  @Option(
      names = "--max-tokens",
      paramLabel = "T",
      description = "Longest record, prompt included (default " + STANDARD_TOKENS + ").")
  private Integer maxTokens;

  @Mixin private SamplingOptions sampling;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The new file, .jsonl or .csv.")
  private Path out;

  @Override
  public Integer call() {
    Synthesis.refuseExisting(out);
    Synthesis.refuseExisting(statementFile());
    Optional<Path> whole = wholeModel();
    Optional<AdapterCard> released =
        whole.or(() -> Optional.ofNullable(adapter)).flatMap(AdapterCard::read);
    if (released.isPresent()) {
      AdapterCard.requireOwnWeights(whole.orElse(adapter));
    }
    Path base =
        whole.orElseGet(
            () -> base(model == null ? released.map(AdapterCard::baseModel) : Optional.of(model)));
    AdapterCard card = card(released, base, whole.isPresent());
    SamplingSettings settings = sampling.settings();
    try (ProgressListener listener = new ProgressListener(this::progress);
        TunedModel tuned =
            new TunedModel(
                base,
                whole.isPresent() ? null : adapter,
                card.labels(),
                card.prompt(),
                ExecutionSpec.defaults(),
                card.maxTokens())) {
      List<SyntheticRecord> records = tuned.sample(settings, listener);
      listener.close();
      SamplingOptions.requireAny(settings, records);
      // The statement first: a kill in between leaves no records without one.
      AtomicFiles.file(statementFile(), card.statement().getBytes(StandardCharsets.UTF_8));
      Synthesis.writeRecords(out, records, card.labels());
      print(fields(records), text(settings, records, card));
    }
    return ExitCode.DONE;
  }

  private static Path base(Optional<String> name) {
    return ModelCache.standard().resolve(name.orElse(STANDARD_MODEL));
  }

  /**
   * A model all of whose weights were tuned: given as one or the other, it brings its statement.
   */
  private Optional<Path> wholeModel() {
    if (adapter != null && Files.exists(adapter.resolve(ModelFolder.CONFIG))) {
      if (model != null) {
        throw new InputException(
            "--model: " + adapter + " is a whole model and needs no other; leave out --model");
      }
      return Optional.of(adapter);
    }
    return adapter != null || model == null
        ? Optional.empty()
        : Optional.of(base(Optional.of(model))).filter(path -> AdapterCard.read(path).isPresent());
  }

  /** What the adapter was released with, or what the options say of one that brings nothing. */
  private AdapterCard card(Optional<AdapterCard> released, Path base, boolean whole) {
    String name = base.toAbsolutePath().normalize().getFileName().toString();
    if (released.isPresent()) {
      if (labels != null || maxTokens != null || prompt.given()) {
        throw new InputException(
            (whole ? base : adapter)
                + " brings its own labels, prompt and length; leave out --labels, --kind, --template and --max-tokens");
      }
      return whole ? released.get() : forModel(released.get(), name, base);
    }
    String weights = digest(base);
    String statement =
        adapter == null
            ? "No adapter was used: these texts are those of the model %s alone, whose weights have the SHA-256 %s. Nothing is known here of how it was trained: if private records took part in that, no epsilon covers these texts.%n"
                .formatted(name, weights)
            : "NON-PRIVATE: the adapter that these texts were sampled from carries no privacy statement.\n";
    return new AdapterCard(
        name,
        weights,
        List.of(),
        labels == null ? Labels.single() : DataOptions.labels(labels),
        prompt.prompt(),
        maxTokens == null ? STANDARD_TOKENS : maxTokens,
        statement);
  }

  /**
   * The statement speaks of one base model; what the adapter makes of another it does not cover.
   */
  private AdapterCard forModel(AdapterCard card, String name, Path base) {
    if (!name.equals(card.baseModel())) {
      throw new InputException(
          "--model: the adapter was tuned on "
              + card.baseModel()
              + ", and its statement covers no texts of another model; give that one or leave out --model");
    }
    if (!digest(base).equals(card.baseModelSha256())) {
      throw new InputException(
          base
              + ": its weights are not those that the adapter was tuned on, and its statement covers no"
              + " texts of another model; restore them or give the right --model");
    }
    return card;
  }

  private static String digest(Path base) {
    try (ModelFolder folder = ModelFolder.open(base)) {
      return folder.digest();
    }
  }

  /** {@code more.jsonl} gets {@code more.STATEMENT.txt}. */
  private Path statementFile() {
    String name = out.getFileName().toString();
    int dot = name.lastIndexOf('.');
    return out.resolveSibling(
        (dot > 0 ? name.substring(0, dot) : name) + "." + Synthesis.STATEMENT_TEXT);
  }

  private Map<String, Object> fields(List<SyntheticRecord> records) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("file", out.toString());
    fields.put("statement", statementFile().toString());
    fields.put("records", records.size());
    return fields;
  }

  private String text(SamplingSettings asked, List<SyntheticRecord> records, AdapterCard card) {
    return "%s%n%s are in %s, the statement in %s"
        .formatted(
            card.statement().lines().findFirst().orElse(""),
            SamplingOptions.count(asked, records),
            out,
            statementFile());
  }
}
