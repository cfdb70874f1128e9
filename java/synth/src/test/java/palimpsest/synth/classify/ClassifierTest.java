package palimpsest.synth.classify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.OptimizerSpec;
import palimpsest.synth.Schedule;
import palimpsest.synth.TinySetting;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.evaluate.ClassifierScore;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.testing.Shared;

class ClassifierTest {
  private static final List<String> WORDS = ColourTexts.WORDS;
  private static final Labels LABELS = ColourTexts.LABELS;
  private static final int STEPS = 60;

  @TempDir Path folder;

  /** The kinds of model, in sizes for a test. */
  enum Kind {
    CONVOLUTION,
    ENCODER;

    ClassifierSettings settings(Path folder) throws IOException {
      ClassifierSettings settings =
          switch (this) {
            case CONVOLUTION -> ClassifierSettings.convolution(WordVocabulary.of(WORDS));
            case ENCODER -> ClassifierSettings.encoder(encoder(folder.resolve("encoder")));
          };
      return settings
          .withMaxTokens(24)
          .withEpochs(12)
          .withOptimizer(
              new OptimizerSpec(
                  new Optimizer.AdamW(1e-2, 0.9, 0.999, 1e-8, 0), Schedule.LINEAR, 5, 0.1))
          .withExecution(new ExecutionSpec(DType.F32, 2, 256, 8, 1));
    }
  }

  /** A small random encoder over the words. */
  private static Path encoder(Path path) throws IOException {
    if (Files.exists(path)) {
      return path;
    }
    RandomModel.write(
        new EncoderConfig(
            "bert",
            20,
            64,
            2,
            1,
            32,
            new DecoderConfig.AttentionOptions(
                4, 4, 8, 1 / Math.sqrt(8), true, true, false, false, Collections.nCopies(1, 0)),
            new DecoderConfig.FeedForwardOptions(48, Activation.Kind.GELU, true),
            new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-12, false, false)),
        path,
        3);
    StringBuilder vocabulary = new StringBuilder("\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2");
    for (String word : WORDS) {
      vocabulary.append(",\"%s\":%d".formatted(word, 3 + WORDS.indexOf(word)));
    }
    Files.writeString(
        path.resolve("tokenizer.json"),
        """
        {"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
         "lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
         "model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{%s}}}
        """
            .formatted(vocabulary));
    return path;
  }

  @ParameterizedTest
  @EnumSource
  void whatTellsLabelsApartIsLearnedAlikeEachTime(Kind kind) throws IOException {
    ClassifierSettings settings = kind.settings(folder);
    LabelledTexts test = ColourTexts.of(90, 2);
    List<List<String>> predictions = new ArrayList<>();
    for (int workers : new int[] {1, 3}) {
      ClassifierSettings shared =
          settings.withExecution(new ExecutionSpec(DType.F32, workers, 256, 8, 1));
      try (Classifier classifier = Classifier.train(ColourTexts.of(300, 1), LABELS, shared)) {
        ClassifierScore score = classifier.score(test);
        assertTrue(score.accuracy().value() > 0.9, score.toString());
        assertTrue(score.macroF1() > 0.9, score.toString());
        predictions.add(classifier.predict(test.texts()));
        assertEquals(predictions.getFirst().get(7), classifier.predict(test.texts().get(7)));
        assertEquals(List.of(), classifier.predict(List.of()));
      }
    }
    assertEquals(predictions.getFirst(), predictions.getLast());
  }

  @ParameterizedTest
  @EnumSource
  void anUntrainedClassifierTakesTheFirstLabel(Kind kind) throws IOException {
    try (Classifier classifier =
        Classifier.train(ColourTexts.of(4, 1), LABELS, kind.settings(folder).withEpochs(0))) {
      assertEquals(List.of("red", "red"), classifier.predict(List.of("", "\u0000 unknown words")));
    }
  }

  private static MechanismSpec mechanism(int steps) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 0.2, 1, 100, 400, steps, 1e-3);
  }

  private Ledger ledger(String name, ProtectedUnit unit) throws IOException {
    Path account = Files.createDirectories(folder.resolve(name));
    Files.setPosixFilePermissions(
        account, java.nio.file.attribute.PosixFilePermissions.fromString("rwx------"));
    return Ledger.create(account, "notes", unit, NeighbouringRelation.ADD_REMOVE);
  }

  /** With noise it learns, pays for each step, and has other noise each time. */
  @ParameterizedTest
  @EnumSource
  void privateTrainingIsPaidForAndLearns(Kind kind) throws IOException {
    LabelledTexts test = ColourTexts.of(90, 2);
    try (Ledger ledger = ledger("account", ProtectedUnit.RECORD)) {
      for (int round = 1; round <= 2; round++) {
        try (SecretKey key = SecretKey.fromOperatingSystem();
            Classifier classifier =
                Classifier.trainPrivately(
                    ColourTexts.of(400, 1),
                    LABELS,
                    kind.settings(folder),
                    ledger.startRun(mechanism(STEPS), key),
                    key)) {
          ClassifierScore score = classifier.score(test);
          assertTrue(score.accuracy().value() > 0.6, score.toString());
        }
        assertEquals(
            STEPS * round,
            ledger.records().stream().filter(LedgerRecord.Step.class::isInstance).count());
      }
    }
  }

  /** A record whose label nobody may know is as if it were not there. */
  @Test
  void recordsWithOtherLabelsAreLeftOut() throws IOException {
    LabelledTexts records = ColourTexts.of(60, 1);
    List<String> texts = new ArrayList<>(records.texts());
    List<String> labels = new ArrayList<>(records.labels());
    texts.add(17, "a red house");
    labels.add(17, "a label of its own");
    LabelledTexts more = new LabelledTexts(texts, labels);
    ClassifierSettings settings = Kind.CONVOLUTION.settings(folder);
    List<List<String>> predictions = new ArrayList<>();
    for (LabelledTexts each : List.of(records, more)) {
      try (Ledger ledger = ledger("account" + predictions.size(), ProtectedUnit.RECORD);
          SecretKey key = SecretKey.insecureDeterministic(5);
          Classifier classifier =
              Classifier.trainPrivately(
                  each, LABELS, settings, ledger.startRun(mechanism(3), key), key)) {
        predictions.add(classifier.predict(ColourTexts.of(50, 3).texts()));
      }
    }
    assertEquals(predictions.getFirst(), predictions.getLast());
    assertThrows(InputException.class, () -> Classifier.train(more, LABELS, settings));
  }

  @Test
  void peopleAreNotToldApart() throws IOException {
    ClassifierSettings settings = Kind.CONVOLUTION.settings(folder);
    try (Ledger ledger = ledger("people", ProtectedUnit.USER);
        SecretKey key = SecretKey.insecureDeterministic(5)) {
      MechanismSpec people = mechanism(3).withUnit(ProtectedUnit.USER, 2);
      Ledger.Run run = ledger.startRun(people, key);
      assertThrows(
          IllegalArgumentException.class,
          () -> Classifier.trainPrivately(ColourTexts.of(60, 1), LABELS, settings, run, key));
      assertEquals(0, run.steps());
    }
  }

  @Test
  void aDecoderIsNoEncoder() throws IOException {
    Path decoder = new TinySetting(folder).model();
    String message =
        assertThrows(
                ModelFileException.class,
                () ->
                    Classifier.train(
                        ColourTexts.of(4, 1), LABELS, ClassifierSettings.encoder(decoder)))
            .getMessage();
    assertTrue(message.contains("is asked for is an encoder"), message);
    Path encoder = encoder(folder.resolve("bare"));
    Files.delete(encoder.resolve("tokenizer.json"));
    message =
        assertThrows(
                InputException.class,
                () ->
                    Classifier.train(
                        ColourTexts.of(4, 1), LABELS, ClassifierSettings.encoder(encoder)))
            .getMessage();
    assertTrue(message.contains("tokenizer.json"), message);
  }

  /** TREC questions, six coarse labels: the paper's network gets about nine of ten right. */
  @Test
  void trecQuestionsByWords() {
    List<String[]> train = trec("data/labelled/trec/TREC.train.txt.gz");
    LabelledTexts texts = labelled(train);
    Labels labels = Labels.of(texts.labels().stream().distinct().sorted().toList());
    ClassifierSettings settings =
        ClassifierSettings.convolution(WordVocabulary.ofPublicTexts(texts.texts(), 5000))
            .withMaxTokens(40)
            .withEpochs(3);
    LabelledTexts test = labelled(trec("data/labelled/trec/TREC.test.txt.gz"));
    try (Classifier classifier = Classifier.train(texts, labels, settings)) {
      ClassifierScore score = classifier.score(test);
      assertTrue(score.accuracy().value() > 0.84, score.toString());
      assertNotEquals(score.accuracy().value(), score.macroF1());
    }
  }

  private static LabelledTexts labelled(List<String[]> rows) {
    return new LabelledTexts(
        rows.stream().map(row -> row[1]).toList(), rows.stream().map(row -> row[0]).toList());
  }

  /** Rows of coarse label and question; the files hold a few bytes of Latin-1. */
  private static List<String[]> trec(String file) {
    return new String(Shared.bytes(file), StandardCharsets.ISO_8859_1)
        .lines()
        .map(line ->
            new String[] {
              line.substring(0, line.indexOf(':')), line.substring(line.indexOf(' ') + 1)
            })
        .toList();
  }
}
