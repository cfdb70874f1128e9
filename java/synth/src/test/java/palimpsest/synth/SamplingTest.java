package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.generate.GenerationSettings;
import palimpsest.engine.generate.Generator;
import palimpsest.engine.generate.Request;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.DType;
import palimpsest.privacy.ChaCha20;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/** Records from a model that writes words after a letter and nonsense after a digit. */
@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SamplingTest {
  private static final int MAX_TOKENS = 64;
  private static final long SEED = 5;

  @TempDir Path folder;
  private ModelFolder model;
  private Kernels kernels;
  private TunedDecoder base;
  private Tokenizer tokenizer;

  @BeforeEach
  void open() throws IOException {
    model = ModelFolder.open(new TinySetting(folder).model());
    kernels = new CpuKernels(DType.F32);
    base = TunedDecoder.untuned(model, kernels, MAX_TOKENS);
    tokenizer = Synthesis.tokenizer(model);
  }

  @AfterEach
  void close() {
    base.close();
    kernels.close();
    model.close();
  }

  /** The text comes straight after the label's name. */
  private Template template(String... labels) {
    return Synthesis.template(
        model,
        tokenizer,
        Labels.of(List.of(labels)),
        new Synthesis.Prompt("note", Optional.of("{label}{text}")));
  }

  private static SamplingSettings settings(
      int records, double guidance, boolean judge, int minCharacters) {
    return new SamplingSettings(records, 1, 0, 1, guidance, judge, minCharacters);
  }

  private List<SyntheticRecord> sample(
      Template template, SamplingSettings settings, long seed, AtomicInteger rounds) {
    try (SecretKey key = SecretKey.insecureDeterministic(seed)) {
      return new Sampling(base, template, settings, TinySetting.execution(), MAX_TOKENS, key)
          .run(done -> rounds.incrementAndGet());
    }
  }

  private List<SyntheticRecord> sample(Template template, SamplingSettings settings) {
    return sample(template, settings, SEED, new AtomicInteger());
  }

  private static List<Long> counts(List<SyntheticRecord> records, int labels) {
    return IntStream.range(0, labels)
        .mapToObj(label -> records.stream().filter(record -> record.label() == label).count())
        .toList();
  }

  @Test
  @Tag("R36")
  void everyLabelHasAsManyRecords() {
    Template template = template("red", "blue", "green");
    assertEquals(List.of(7L, 7L, 7L), counts(sample(template, settings(21, 0, false, 1)), 3));
    assertEquals(List.of(3L, 3L, 2L), counts(sample(template, settings(8, 0.5, false, 1)), 3));
    assertEquals(List.of(), sample(template, settings(0, 0.5, false, 1)));
  }

  @Test
  void labelsHaveTheirPublicWeights() {
    Labels labels = Labels.of(List.of("red", "blue", "green")).withWeights(List.of(1.0, 2.0, 0.5));
    Template template =
        Synthesis.template(
            model, tokenizer, labels, new Synthesis.Prompt("note", Optional.of("{label}{text}")));
    assertEquals(List.of(4L, 8L, 2L), counts(sample(template, settings(14, 0, false, 1)), 3));
    assertEquals(List.of(3L, 6L, 1L), counts(sample(template, settings(10, 0, false, 1)), 3));
  }

  @Test
  void labelsDoNotComeInBlocks() {
    List<SyntheticRecord> records = sample(template("red", "blue"), settings(60, 0, false, 1));
    int changes = 0;
    for (int i = 1; i < records.size(); i++) {
      changes += records.get(i).label() != records.get(i - 1).label() ? 1 : 0;
    }
    assertTrue(changes > 18, "of 59 neighbours only " + changes + " differ in their label");
  }

  @Test
  void theSameKeyGivesTheSameRecordsAndAnotherKeyOthers() {
    Template template = template("red", "blue");
    SamplingSettings settings = settings(12, 0.5, true, 1);
    List<SyntheticRecord> records = sample(template, settings);
    assertEquals(records, sample(template, settings));
    assertNotEquals(records, sample(template, settings, SEED + 1, new AtomicInteger()));
  }

  /**
   * What a generator writes for the texts 0, 1, ... of the given labels, steered away from the
   * generic prompts.
   */
  private List<SyntheticRecord> expected(Template template, List<Integer> labels, double guidance) {
    int count = template.labels().size();
    int[][] prefixes = new int[2 * count][];
    int longest = 0;
    for (int label = 0; label < count; label++) {
      prefixes[label] = template.prefix(label);
      prefixes[count + label] = template.genericPrefix(label);
      longest = Math.max(longest, Math.max(prefixes[label].length, prefixes[count + label].length));
    }
    GenerationSettings settings =
        new GenerationSettings(
            8, MAX_TOKENS - longest, 1, 0, 1, guidance, Set.of(template.endToken()), 2);
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < labels.size(); i++) {
      requests.add(new Request(i, labels.get(i), count + labels.get(i)));
    }
    List<SyntheticRecord> records = new ArrayList<>();
    try (SecretKey key = SecretKey.insecureDeterministic(SEED);
        Generator generator = new Generator(base, prefixes, settings)) {
      generator.generate(
          requests,
          (index, position) -> {
            int[] words = new int[ChaCha20.BLOCK_WORDS];
            ChaCha20.blocks(key, Purpose.GENERATION, index, position, 1, words);
            return ((words[0] & 0xffffffffL) << 21 | words[1] >>> 11) * 0x1p-53;
          },
          result -> {
            String text = template.read(result.tokens(), 1).text();
            if (result.ended() && !text.isEmpty()) {
              records.add(new SyntheticRecord(labels.get(result.index()), text));
            }
          });
    }
    return records;
  }

  private static List<SyntheticRecord> sorted(List<SyntheticRecord> records) {
    return records.stream()
        .filter(record -> record.text().matches("[a-z]+"))
        .sorted(Comparator.comparing(SyntheticRecord::label).thenComparing(SyntheticRecord::text))
        .toList();
  }

  @Test
  void guidanceSteersAwayFromTheGenericPrompt() {
    Template template = template("red", "blue");
    List<SyntheticRecord> guided = sample(template, settings(20, 2, false, 1));
    List<Integer> firstRound = IntStream.range(0, 20).mapToObj(i -> i / 10).toList();
    List<SyntheticRecord> expected = sorted(expected(template, firstRound, 2));
    assertTrue(expected.size() > 10, "few texts to compare: " + expected.size());
    List<SyntheticRecord> missing = new ArrayList<>(expected);
    guided.forEach(missing::remove);
    assertEquals(List.of(), missing);
    assertNotEquals(
        sorted(sample(template, settings(20, 0, false, 1))), sorted(guided), "guidance 0 and 2");
  }

  @Test
  void theJudgeKeepsOnlyTextsWhoseOwnLabelIsLikeliest() {
    Template template = template("red", "blue");
    List<SyntheticRecord> judged = sample(template, settings(30, 0, true, 1));
    assertEquals(List.of(), misfiled(template, sorted(judged)));
    assertTrue(sorted(judged).size() > 5, "few texts to compare: " + judged.size());
    List<SyntheticRecord> all = sorted(sample(template, settings(30, 0, false, 1)));
    assertFalse(misfiled(template, all).isEmpty(), "without a judge some are misfiled");
  }

  /** Records whose text the model finds likelier after the other label's prompt. */
  private List<SyntheticRecord> misfiled(Template template, List<SyntheticRecord> records) {
    List<int[]> texts = new ArrayList<>();
    for (SyntheticRecord record : records) {
      int[] tokens = tokenizer.encode(record.text());
      int[] ended = Arrays.copyOf(tokens, tokens.length + 1);
      ended[tokens.length] = template.endToken();
      texts.add(ended);
    }
    try (Scorer scorer = new Scorer(base, 1)) {
      double[][] scores = scorer.score(texts, new int[][] {template.prefix(0), template.prefix(1)});
      return IntStream.range(0, records.size())
          .filter(i -> scores[i][records.get(i).label()] < scores[i][1 - records.get(i).label()])
          .mapToObj(records::get)
          .toList();
    }
  }

  @Test
  void shortTextsAreDrawnAgain() {
    Template template = template("red", "blue");
    assertTrue(
        sample(template, settings(30, 0, false, 1)).stream()
            .anyMatch(record -> record.text().length() < 6));
    List<SyntheticRecord> longer = sample(template, settings(30, 0, false, 6));
    assertEquals(List.of(15L, 15L), counts(longer, 2));
    assertTrue(longer.stream().allMatch(record -> record.text().length() >= 6));
  }

  @Test
  void aModelThatEndsNoTextIsGivenUp() {
    AtomicInteger rounds = new AtomicInteger();
    assertEquals(List.of(), sample(template("7", "8"), settings(6, 0.5, false, 1), SEED, rounds));
    // 8 attempts for each of 3 wanted records and 8 more, at least 3 a round.
    assertTrue(rounds.get() >= 4 && rounds.get() <= 11, rounds + " rounds");
  }

  @Test
  void aLabelThatCannotBeWrittenDoesNotStarveTheOthers() {
    for (Template template : List.of(template("7", "red"), template("red", "7"))) {
      int red = template.labels().name(0).equals("red") ? 0 : 1;
      List<SyntheticRecord> records = sample(template, settings(12, 0, false, 1));
      assertEquals(6, records.size());
      assertTrue(records.stream().allMatch(record -> record.label() == red));
    }
  }

  @Test
  void aWholeRunGivesTheRecordsThatWereAskedFor() throws IOException {
    TinySetting setting = new TinySetting(folder);
    Synthesis.Outcome outcome = setting.run(8, 12, 10, false, SynthesisListener.silent());
    assertEquals(List.of(5L, 5L), counts(outcome.records(), 2));
    assertEquals(10, Files.readAllLines(setting.out().resolve(Synthesis.RECORDS_JSONL)).size());
  }
}
