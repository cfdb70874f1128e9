package palimpsest.synth.classify;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.engine.generate.LabelScorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.EncoderClassifier;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.WordCnn;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.ClassifierTraining;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.Synthesis;
import palimpsest.synth.evaluate.ClassifierScore;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.WordPiece;

/**
 * A classifier of texts by labels of a closed list.
 *
 * <p>One that was trained plainly holds numbers of its texts: trained on real records it is as
 * private as they are, and so is what it predicts. One that was trained privately may be released:
 * its cost is in the ledger. Either way a score on real texts is for their owner.
 */
public final class Classifier implements AutoCloseable {
  /** How a text becomes tokens. */
  @FunctionalInterface
  private interface Tokens {
    int[] of(String text);
  }

  private final Labels labels;
  private final ExecutionSpec execution;
  private final Kernels kernels;
  private final LabelModel model;
  private final Tokens tokens;

  private Classifier(
      Labels labels, ExecutionSpec execution, Kernels kernels, LabelModel model, Tokens tokens) {
    this.labels = labels;
    this.execution = execution;
    this.kernels = kernels;
    this.model = model;
    this.tokens = tokens;
  }

  /**
   * Trains without privacy. Deterministic: the same arguments give the same classifier, to the bit,
   * with any number of workers.
   *
   * @param texts each with a label of the list
   * @throws InputException if a text has another label, the encoder cannot be used, or training
   *     diverges
   */
  public static Classifier train(LabelledTexts texts, Labels labels, ClassifierSettings settings) {
    for (String label : texts.labels()) {
      if (labels.indexOf(label) < 0) {
        throw new InputException("a text to train on has a label that is not in the list");
      }
    }
    return begun(
        labels,
        settings,
        classifier ->
            ClassifierTraining.plain(
                classifier.model,
                classifier.examples(texts),
                new ClassifierTraining.Plain(
                    settings.epochs(), settings.batch(), settings.optimizer(), settings.seed()),
                classifier.execution));
  }

  /**
   * Trains by the private step, by the mechanism that the ledger's run pays for. Records with a
   * label that is not in the list are left out.
   *
   * @param labels a public list
   * @param settings public; {@link ClassifierSettings#epochs} and {@code batch} have no meaning
   *     here
   * @param run just begun with the key; it ends with the last step
   * @throws IllegalArgumentException if the run protects people, whose records are not told apart
   *     here, or was begun with another key
   * @throws InputException if the encoder cannot be used, or training diverges
   */
  public static Classifier trainPrivately(
      LabelledTexts records,
      Labels labels,
      ClassifierSettings settings,
      Ledger.Run run,
      SecretKey key) {
    if (run.start().spec().unit() != ProtectedUnit.RECORD) {
      throw new IllegalArgumentException(
          "a classifier is trained for records as the protected unit; people are not told apart");
    }
    return begun(
        labels,
        settings,
        classifier ->
            ClassifierTraining.privately(
                classifier.model,
                classifier.examples(records),
                settings.optimizer(),
                classifier.execution,
                run,
                key));
  }

  /** What is done with a classifier at its start. */
  @FunctionalInterface
  private interface Training {
    void of(Classifier classifier);
  }

  /** Closes what was made if training fails. */
  private static Classifier begun(Labels labels, ClassifierSettings settings, Training training) {
    Kernels kernels = Synthesis.kernels(settings.execution());
    Classifier classifier = null;
    try {
      classifier = make(labels, settings, kernels);
      classifier.model.initialize(new SplittableRandom(settings.seed()));
      training.of(classifier);
      return classifier;
    } catch (RuntimeException e) {
      if (classifier == null) {
        kernels.close();
      } else {
        classifier.close();
      }
      throw e;
    }
  }

  private static Classifier make(Labels labels, ClassifierSettings settings, Kernels kernels) {
    int most = settings.maxTokens();
    ExecutionSpec execution = settings.execution().forLength(most);
    return switch (settings.model()) {
      case ClassifierSettings.Convolution c -> {
        WordCnn.Shape shape =
            new WordCnn.Shape(c.vocabulary().size(), c.embedding(), c.filters(), labels.size());
        yield new Classifier(
            labels,
            execution,
            kernels,
            WordCnn.of(kernels, shape, most),
            text -> c.vocabulary().encode(text, most));
      }
      case ClassifierSettings.PretrainedEncoder e -> {
        try (EncoderFolder folder = EncoderFolder.open(e.folder())) {
          WordPiece pieces = WordPiece.of(folder);
          yield new Classifier(
              labels,
              execution,
              kernels,
              EncoderClassifier.of(folder, kernels, most, e.rank(), 2.0 * e.rank(), labels.size()),
              text -> pieces.encode(text, most));
        }
      }
    };
  }

  private List<Example> examples(LabelledTexts texts) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      int label = labels.indexOf(texts.labels().get(i));
      if (label >= 0) {
        examples.add(Example.labelled(tokens.of(texts.texts().get(i)), label));
      }
    }
    return examples;
  }

  /** The likeliest label of each text; of equals, the first in the list. */
  public List<String> predict(List<String> texts) {
    List<int[]> encoded = texts.stream().map(tokens::of).toList();
    try (TensorArena arena = new TensorArena();
        Workers workers = new Workers(execution.workers(), "palimpsest-classifier")) {
      LabelScorer scorer =
          new LabelScorer(model, workers, execution.groupRows(), execution.groupExamples(), arena);
      List<String> predicted = new ArrayList<>();
      for (double[] logits : scorer.logits(encoded)) {
        predicted.add(labels.name(largest(logits)));
      }
      return predicted;
    }
  }

  private static int largest(double[] values) {
    int largest = 0;
    for (int i = 1; i < values.length; i++) {
      largest = values[i] > values[largest] ? i : largest;
    }
    return largest;
  }

  /** The likeliest label of a text. */
  public String predict(String text) {
    return predict(List.of(text)).getFirst();
  }

  /** How often the predicted label is the one that a text has. */
  public ClassifierScore score(LabelledTexts texts) {
    return ClassifierScore.of(texts.labels(), predict(texts.texts()));
  }

  @Override
  public void close() {
    model.close();
    kernels.close();
  }
}
