package palimpsest.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.ShippedModel;
import palimpsest.synth.EvaluationReport;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.SynthesisListener;
import palimpsest.synth.TextPerplexity;
import palimpsest.synth.classify.ClassifierSettings;
import palimpsest.synth.classify.DownstreamTraining;
import palimpsest.synth.classify.SettingsRanking;
import palimpsest.synth.classify.TextEmbeddings;
import palimpsest.synth.classify.WordVocabulary;
import palimpsest.synth.evaluate.Downstream;
import palimpsest.synth.evaluate.Evaluation;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.Likeness;
import palimpsest.synth.evaluate.Perplexity;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import picocli.CommandLine.Option;

/** What is measured of a synthetic set besides counts of words, and by which models. */
final class MeasureOptions {
  private static final String ENCODER = "minilm";
  private static final String READER = "smollm2-135m";
  private static final int MAX_TOKENS = 256;
  private static final long CLUSTER_SEED = 1;

  @Option(
      names = "--quick",
      description = "In seconds: naive Bayes is the only classifier, and no model reads the texts.")
  private boolean quick;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many times each classifier is trained (default: ${DEFAULT-VALUE}).")
  private int seeds;

  @Option(
      names = "--encoder",
      paramLabel = "M",
      description =
          "An encoder to tune as a classifier, and for MAUVE (default: minilm, if it is here).")
  private String encoder;

  @Option(
      names = "--under",
      paramLabel = "M",
      description =
          "The public model whose perplexity is shown (default: smollm2-135m if it is here, else palimpsest-3m).")
  private String reader;

  /**
   * Texts, by what they are for.
   *
   * @param training the real records that classifiers are trained on
   * @param held real records that the synthetic set's model was not tuned on
   * @param test the real ones that they are tested on
   * @param price of private training, if there is to be any
   */
  record Sets(
      LabelledTexts synthetic,
      LabelledTexts training,
      LabelledTexts held,
      Optional<LabelledTexts> test,
      Labels labels,
      Optional<ReleaseReport.Price> price) {}

  /** Measures. */
  EvaluationReport.Findings findings(
      Evaluation evaluation, Sets sets, SynthesisListener listener, Consumer<String> said) {
    if (seeds < 1) {
      throw new InputException("--seeds: a classifier is trained once at least");
    }
    if (quick && (encoder != null || reader != null)) {
      throw new InputException(
          "--quick: no model reads the texts; leave out --encoder and --under");
    }
    // Found first: what is missing is said before minutes of training.
    Optional<Path> folder = encoderFolder();
    folder.ifPresent(f -> EncoderFolder.open(f).close());
    Optional<Path> under = quick ? Optional.empty() : Optional.of(readerFolder());
    if (!quick && folder.isEmpty()) {
      said.accept(
          "no encoder is here, so none is tuned and there is no MAUVE; fetch one with: palimpsest model get "
              + ENCODER);
    }
    WordVocabulary words = WordVocabulary.ofWikipedia();
    return new EvaluationReport.Findings(
        evaluation,
        sets.test().map(test -> downstream(sets, test, words, folder, listener)),
        sets.test()
            .filter(_ -> !quick && sets.synthetic().size() >= SettingsRanking.FEWEST)
            .map(test ->
                SettingsRanking.of(
                    sets.training(), sets.synthetic(), test, sets.labels(), words, listener)),
        folder.flatMap(f -> likeness(sets, f)),
        under.map(model -> perplexity(sets, model)));
  }

  /** What anybody needs to find the same figures. */
  Map<String, String> facts() {
    Map<String, String> facts = new LinkedHashMap<>();
    if (!quick) {
      facts.put("Seeds", seeds == 1 ? "1" : "1 to " + seeds);
      encoderFolder().ifPresent(folder -> facts.put("Encoder", folder.getFileName().toString()));
    }
    return facts;
  }

  private Downstream downstream(
      Sets sets,
      LabelledTexts test,
      WordVocabulary words,
      Optional<Path> folder,
      SynthesisListener listener) {
    List<DownstreamTraining.Kind> kinds = new ArrayList<>();
    if (!quick) {
      kinds.add(
          new DownstreamTraining.Kind(
              "word network", seed -> ClassifierSettings.convolution(words).withSeed(seed)));
      folder.ifPresent(f ->
          kinds.add(
              new DownstreamTraining.Kind(
                  f.getFileName().toString(),
                  seed -> ClassifierSettings.encoder(f).withSeed(seed))));
    }
    return new DownstreamTraining(
            sets.training(), sets.synthetic(), test, sets.labels(), seeds, sets.price(), listener)
        .run(kinds);
  }

  private Optional<Path> encoderFolder() {
    if (quick) {
      return Optional.empty();
    }
    ModelCache cache = ModelCache.standard();
    return encoder == null ? cache.find(ENCODER) : Optional.of(cache.resolve(encoder));
  }

  private static Optional<Likeness> likeness(Sets sets, Path encoder) {
    if (sets.held().size() < Likeness.FEWEST_REAL
        || sets.synthetic().size() < Likeness.FEWEST_REAL / 2) {
      return Optional.empty();
    }
    ExecutionSpec execution = ExecutionSpec.defaults();
    return Optional.of(
        Likeness.of(
            TextEmbeddings.of(encoder, sets.synthetic().texts(), MAX_TOKENS, execution),
            TextEmbeddings.of(
                encoder,
                sets.held().spread(2 * sets.synthetic().size()).texts(),
                MAX_TOKENS,
                execution),
            CLUSTER_SEED));
  }

  private Path readerFolder() {
    ModelCache cache = ModelCache.standard();
    Path folder =
        reader == null
            ? cache.find(READER).orElseGet(() -> cache.resolve(ShippedModel.NAME))
            : cache.resolve(reader);
    ModelFolder.open(folder).close();
    return folder;
  }

  private static EvaluationReport.PerplexityPair perplexity(Sets sets, Path model) {
    List<Perplexity> pair =
        TextPerplexity.of(
            model,
            List.of(sets.synthetic().texts(), sets.held().spread(sets.synthetic().size()).texts()),
            MAX_TOKENS,
            ExecutionSpec.defaults());
    return new EvaluationReport.PerplexityPair(
        model.getFileName().toString(), pair.getFirst(), pair.getLast());
  }
}
