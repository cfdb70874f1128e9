package palimpsest.synth;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import palimpsest.engine.weights.BoundedJson;
import palimpsest.engine.weights.Sha256;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Words;
import palimpsest.synth.report.Block;
import palimpsest.synth.report.HtmlReport;
import palimpsest.synth.report.Lengths;
import palimpsest.synth.report.LineChart;
import palimpsest.synth.report.Section;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;

/**
 * What a release holds, as a report to pass on with it: everything in it follows from the released
 * files and public arithmetic.
 */
public final class ReleaseReport {
  private static final int MOST_JSON = 1 << 20;
  private static final int MOST_STATEMENT = 1 << 20;
  private static final int CURVE_POINTS = 24;
  private static final int SAMPLES = 3;
  private static final String HOW = "How it was made";
  private static final String NOT_COVERED = "What is not covered";

  private final Path folder;
  private final JsonNode privacy;
  private final List<List<String>> statement;

  private ReleaseReport(Path folder) {
    this.folder = folder;
    privacy = BoundedJson.read(folder.resolve(Synthesis.STATEMENT_JSON), MOST_JSON);
    statement = paragraphs(folder.resolve(Synthesis.STATEMENT_TEXT));
  }

  /**
   * The report of a release.
   *
   * @param folder that {@link Synthesis} or {@code palimpsest synthesize} wrote
   * @throws InputException if it is none
   */
  public static HtmlReport of(Path folder) {
    ReleaseReport report = read(folder);
    return new HtmlReport(
        HtmlReport.Edition.RELEASABLE,
        "Synthetic records: " + report.word("dataSet"),
        report.promise(),
        report.sections());
  }

  /**
   * The mechanism of a release's training run and what it cost, if it was private.
   *
   * @param folder as in {@link #of}
   */
  public static Optional<Price> price(Path folder) {
    ReleaseReport report = read(folder);
    return report.isPrivate()
        ? Optional.of(
            new Price(
                report.mechanism(report.privacy.path("steps").asInt()),
                report.privacy.path("epsilon").asDouble()))
        : Optional.empty();
  }

  /**
   * A mechanism and its epsilon, label counts included.
   *
   * @param epsilon at the mechanism's delta
   */
  public record Price(MechanismSpec mechanism, double epsilon) {}

  /** What a folder says, in parts. */
  static ReleaseReport read(Path folder) {
    return new ReleaseReport(folder);
  }

  /** The statement's sentences that say what is promised, the first of them first. */
  List<String> promise() {
    return statement.subList(0, Math.min(statement.size(), isPrivate() ? 2 : 1)).stream()
        .map(lines -> String.join(" ", lines))
        .toList();
  }

  /** All of the report but its head. */
  List<Section> sections() {
    List<Section> sections = new ArrayList<>();
    records().ifPresent(sections::add);
    if (isPrivate()) {
      sections.add(
          new Section(
              "Epsilon over the steps",
              "What had been spent after so many updates of the model. More steps would have cost more; more synthetic"
                  + " records cost nothing.",
              List.of(curve())));
    }
    sections.add(
        new Section(HOW, "", List.of(new Block.Items(items(HOW)), new Block.Facts(settings()))));
    sections.add(new Section(NOT_COVERED, "", List.of(new Block.Items(items(NOT_COVERED)))));
    sections.add(
        new Section("The account of this data set", "", List.of(new Block.Items(account()))));
    sections.add(
        new Section(
            "Files",
            "Every figure here can be computed again from these files by `palimpsest report`.",
            List.of(new Block.Facts(files()))));
    return sections;
  }

  /** Labels, lengths and samples, where there are records. */
  Optional<Section> records() {
    return texts()
        .map(texts -> {
          Diversity diversity = Diversity.of(texts.texts());
          Map<String, String> facts = new LinkedHashMap<>();
          facts.put("Records", Integer.toString(texts.size()));
          facts.put("Labels", Long.toString(texts.labels().stream().distinct().count()));
          facts.put("Words a text", decimal(diversity.meanWords()));
          facts.put("Distinct words over words", decimal(diversity.distinct1()));
          facts.put("Distinct pairs of words over pairs", decimal(diversity.distinct2()));
          facts.put("Texts that repeat an earlier one", decimal(diversity.duplicateShare()));
          return new Section(
              "The records",
              "The first texts of each label, as they were written, and what the set looks like.",
              List.of(
                  new Block.Facts(facts),
                  labels(texts),
                  Lengths.of("Words", Map.of(Block.Side.SYNTHETIC, lengths(texts))),
                  samples(texts)));
        });
  }

  /** The released records, if there are any. */
  Optional<LabelledTexts> texts() {
    List<String> names = new ArrayList<>();
    privacy.path("made").path("labels").forEach(label -> names.add(label.asText()));
    return Stream.of(Synthesis.RECORDS_JSONL, Synthesis.RECORDS_CSV)
        .map(folder::resolve)
        .filter(Files::exists)
        .findFirst()
        .map(file ->
            LabelledTexts.read(
                file,
                RecordOptions.of(List.of(Synthesis.TEXT_COLUMN), Synthesis.LABEL_COLUMN),
                Labels.of(names)));
  }

  /** Words a text. */
  static int[] lengths(LabelledTexts texts) {
    return texts.texts().stream().mapToInt(text -> Words.withoutSigns(text).size()).toArray();
  }

  private static Block.Bars labels(LabelledTexts texts) {
    Map<String, Long> counts = new LinkedHashMap<>();
    texts.labels().forEach(label -> counts.merge(label, 1L, Long::sum));
    List<Block.Bar> bars = new ArrayList<>();
    counts.forEach((label, count) ->
        bars.add(
            new Block.Bar(
                label,
                (double) count / texts.size(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                Block.Side.SYNTHETIC)));
    double most = bars.stream().mapToDouble(Block.Bar::value).max().orElse(1);
    return new Block.Bars("Share of each label", most, bars);
  }

  private static Block.Samples samples(LabelledTexts texts) {
    Map<String, List<String>> samples = new LinkedHashMap<>();
    for (int i = 0; i < texts.size(); i++) {
      List<String> some = samples.computeIfAbsent(texts.labels().get(i), _ -> new ArrayList<>());
      if (some.size() < SAMPLES) {
        some.add(texts.texts().get(i));
      }
    }
    return new Block.Samples(samples);
  }

  private boolean isPrivate() {
    return privacy.path("private").asBoolean() && privacy.path("epsilon").isNumber();
  }

  /** Upper bounds after numbers of steps that are spread evenly, the last of all. */
  private Block.Curve curve() {
    int steps = Math.toIntExact(whole("steps"));
    int points = Math.min(steps, CURVE_POINTS);
    List<LineChart.Point> curve = new ArrayList<>();
    for (int i = 1; i <= points; i++) {
      int made = Math.toIntExact((long) steps * i / points);
      curve.add(new LineChart.Point(made, epsilon(made)));
    }
    return new Block.Curve("Epsilon at delta " + number("delta"), "steps", curve);
  }

  private double epsilon(int steps) {
    MechanismSpec spec = mechanism(steps);
    OptionalDouble labelNoise =
        privacy.path("labelNoise").isNumber()
            ? OptionalDouble.of(number("labelNoise"))
            : OptionalDouble.empty();
    return Accountant.of(spec.relation(), RunPlan.events(spec, labelNoise))
        .epsilon(spec.delta())
        .upper();
  }

  /** Of the run's first steps; however it clips, that is the price. */
  private MechanismSpec mechanism(int steps) {
    return new MechanismSpec(
        relation(),
        number("noiseMultiplier"),
        1,
        threshold(),
        steps,
        number("delta"),
        whole("expectedBatch"),
        unit(),
        Math.toIntExact(whole("recordsPerUser")),
        false,
        new ClipRule.Flat());
  }

  /** 0 stands for 2^64. */
  private long threshold() {
    String threshold = word("samplingThreshold");
    if (!threshold.matches("[0-9]{1,20}")) {
      throw unknown("samplingThreshold");
    }
    return new BigInteger(threshold).longValue();
  }

  private ProtectedUnit unit() {
    String unit = word("unit");
    return Arrays.stream(ProtectedUnit.values())
        .filter(known -> known.name().toLowerCase(Locale.ROOT).equals(unit))
        .findFirst()
        .orElseThrow(() -> unknown("unit"));
  }

  private NeighbouringRelation relation() {
    String words = word("relation");
    return Arrays.stream(NeighbouringRelation.values())
        .filter(relation -> relation.words().equals(words))
        .findFirst()
        .orElseThrow(() -> unknown("relation"));
  }

  private Map<String, String> settings() {
    Map<String, String> settings = new LinkedHashMap<>();
    for (String name :
        List.of(
            "noiseMultiplier", "samplingRate", "steps", "expectedBatch", "clipNorm", "clipRule")) {
      settings.put(words(name), privacy.path(name).asText());
    }
    privacy
        .path("made")
        .properties()
        .forEach(made -> settings.put(words(made.getKey()), value(made.getValue())));
    return settings;
  }

  private static String value(JsonNode node) {
    if (!node.isArray()) {
      return node.asText();
    }
    List<String> all = new ArrayList<>();
    node.forEach(element -> all.add(element.asText()));
    return String.join(", ", all);
  }

  /** "noiseMultiplier" as "Noise multiplier". */
  private static String words(String name) {
    String apart = name.replaceAll("([A-Z])", " $1").toLowerCase(Locale.ROOT);
    return Character.toUpperCase(apart.charAt(0)) + apart.substring(1);
  }

  private Map<String, String> files() {
    Map<String, String> files = new LinkedHashMap<>();
    for (String name :
        List.of(
            Synthesis.STATEMENT_TEXT,
            Synthesis.STATEMENT_JSON,
            Synthesis.RECORDS_JSONL,
            Synthesis.RECORDS_CSV)) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        try {
          files.put(name, "SHA-256 " + Sha256.of(file));
        } catch (IOException e) {
          throw InputException.unreadable(file.toString(), e);
        }
      }
    }
    return files;
  }

  /** The points of a list of the statement, without their dashes. */
  private List<String> items(String heading) {
    return statement.stream()
        .filter(lines -> lines.getFirst().equals(heading))
        .findFirst()
        .map(lines -> lines.stream().skip(1).map(line -> line.substring(2)).toList())
        .orElseThrow(() ->
            new InputException(
                folder.resolve(Synthesis.STATEMENT_TEXT) + ": has no part '" + heading + "'"));
  }

  private List<String> account() {
    return statement.getLast().stream().skip(1).map(line -> line.substring(2)).toList();
  }

  private static List<List<String>> paragraphs(Path file) {
    String text;
    try {
      if (Files.size(file) > MOST_STATEMENT) {
        throw new InputException(file + ": is too long for a statement");
      }
      text = Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw InputException.unreadable(file.toString(), e);
    }
    return Arrays.stream(text.strip().split("\n\n")).map(part -> part.lines().toList()).toList();
  }

  private String word(String field) {
    JsonNode node = privacy.path(field);
    if (!node.isTextual()) {
      throw unknown(field);
    }
    return node.asText();
  }

  private double number(String field) {
    JsonNode node = privacy.path(field);
    if (!node.isNumber()) {
      throw unknown(field);
    }
    return node.asDouble();
  }

  private long whole(String field) {
    JsonNode node = privacy.path(field);
    if (!node.canConvertToLong()) {
      throw unknown(field);
    }
    return node.asLong();
  }

  private InputException unknown(String field) {
    return new InputException(
        folder.resolve(Synthesis.STATEMENT_JSON)
            + ": '"
            + field
            + "' is missing or makes no sense");
  }

  private static String decimal(double value) {
    return String.format(Locale.ROOT, "%.3f", value);
  }
}
