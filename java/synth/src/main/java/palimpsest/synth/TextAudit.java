package palimpsest.synth;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;
import palimpsest.privacy.audit.OneRunAudit;
import palimpsest.synth.evaluate.Bigrams;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.evaluate.Separation;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/**
 * Attacks the whole job from where an outsider stands: canaries join the owner's records by the
 * toss of a coin, all are trained on as ever, texts are sampled as ever, and an attacker who knows
 * every canary, the public model and the synthetic texts, but neither the tuned weights nor the
 * coins, tells from them which canaries were in (Meeus et al., ICML 2025, arXiv 2502.14921).
 *
 * <p>The attacker's score is the log-probability of a canary's end under bigrams of the synthetic
 * texts, less that under bigrams of as many texts of the untuned model. It was chosen by planting
 * leaks among 1,000 real questions, with 1,000 others in the place of the untuned model's texts:
 * where 60 % of the members leaked two neighbouring words, it named 55 % of them at 1 % false
 * positives. Single tokens named 14 %, trigrams 54 %, bigrams over the whole canary 21 %, and
 * bigrams of the synthetic texts alone 49 %.
 *
 * <p>What is learned here follows from the owner's records and is private. Nothing is released or
 * kept: the payments go to a {@link TemporaryLedger}, all else stays in memory.
 */
public final class TextAudit {
  private static final int MIN_CANARIES = 50;
  private static final int MAX_CANARIES = 10_000;

  /** What so many records together are promised is next to nothing: an epsilon of hundreds. */
  private static final int MAX_REPEATS = 16;

  /**
   * Shares of the canaries, the highest scores, that are named members: a bound is taken for each,
   * at its part of the significance, so that the best of them may be stated (Bonferroni). What
   * comes out of a model says that it was in; that nothing comes out says little, so none is named
   * absent.
   */
  private static final double[] NAMED = {0.1, 0.25, 0.5};

  /**
   * The attack.
   *
   * @param canaries how many, each in the data by a fair coin: 50 to 10,000
   * @param repeats how many times one that is in is in: 1 to 16
   * @param significance the chance that the bound of epsilon may be wrong, in (0, 1)
   */
  public record Attack(int canaries, int repeats, double significance) {
    public Attack {
      if (canaries < MIN_CANARIES || canaries > MAX_CANARIES) {
        throw new IllegalArgumentException(
            "audit: %d canaries; it must be %d to %d"
                .formatted(canaries, MIN_CANARIES, MAX_CANARIES));
      }
      if (repeats < 1 || repeats > MAX_REPEATS) {
        throw new IllegalArgumentException(
            "audit: repeats is " + repeats + ", must be 1 to " + MAX_REPEATS);
      }
      if (!(significance > 0 && significance < 1)) {
        throw new IllegalArgumentException(
            "audit: significance is " + significance + ", must be inside (0, 1)");
      }
    }
  }

  /**
   * What the attacker achieved. Private, like the records that kept the canaries company.
   *
   * @param mechanism of the run
   * @param claimed upper bound of epsilon that the accountant gives for {@code attack.repeats()}
   *     records at the mechanism's delta
   * @param texts how many synthetic texts the attacker read
   * @param separation of the canaries that were in from those that were not
   * @param guessed coins guessed right, when the higher half of the scores is named in
   * @param shown epsilon of as many records is not below this, whatever the mechanism is; wrong
   *     with probability {@code attack.significance()} at most
   */
  public record Result(
      Attack attack,
      MechanismSpec mechanism,
      double claimed,
      int members,
      int texts,
      Separation separation,
      Proportion guessed,
      double shown) {
    /**
     * Whether the attack gained more than the claim allows; of repeated canaries it claims nothing.
     */
    public boolean refutesTheClaim() {
      return attack.repeats() == 1 && shown > claimed;
    }

    /** Whether the texts tell members from others, at 95 %. */
    public boolean leaks() {
      return separation.lower() > 0.5;
    }
  }

  private final ModelFolder folder;
  private final Synthesis.Source source;
  private final Synthesis.Prompt prompt;
  private final RunPlan plan;
  private final SamplingSettings sampling;
  private final ExecutionSpec execution;
  private final Attack attack;
  private final Tokenizer tokenizer;
  private final Template template;
  private final CanaryTexts canaryTexts;
  private final double claimed;

  TextAudit(
      ModelFolder folder,
      Synthesis.Source source,
      Synthesis.Prompt prompt,
      RunSettings settings,
      SamplingSettings sampling,
      ExecutionSpec execution,
      Attack attack) {
    Synthesis.requireSameUnit(settings.goal(), source.options());
    if (sampling.records() < 1) {
      throw new InputException("--records: the attacker needs at least one synthetic text");
    }
    this.folder = folder;
    this.source = source;
    this.prompt = prompt;
    this.sampling = sampling;
    plan = RunPlan.of(settings, folder.config());
    this.execution = execution.forLength(plan.longestSequence());
    ExampleGradients.requireRecomputable(settings.method(), execution.recompute());
    this.attack = attack;
    tokenizer = Synthesis.tokenizer(folder);
    template = Synthesis.template(folder, tokenizer, source.labels(), prompt);
    template.requireRoom(settings.maxTokens());
    canaryTexts = new CanaryTexts(template, tokenizer, settings.maxTokens());
    claimed = claimed(plan, attack.repeats());
  }

  /**
   * Runs the job with canaries and attacks it.
   *
   * @param model folder of the pretrained model
   * @param source the owner's records; the data set's name is not used
   * @throws InputException for bad input, in one line
   */
  public static Result run(
      Path model,
      Synthesis.Source source,
      Synthesis.Prompt prompt,
      RunSettings settings,
      SamplingSettings sampling,
      ExecutionSpec execution,
      Attack attack,
      SynthesisListener listener) {
    AdapterCard.refuseAsBase(model);
    try (ModelFolder folder = ModelFolder.open(model)) {
      return new TextAudit(folder, source, prompt, settings, sampling, execution, attack)
          .run(TemporaryLedger.usualParent(), listener);
    }
  }

  /**
   * @param temporary where the ledger's folder is made
   */
  Result run(Path temporary, SynthesisListener listener) {
    Synthesis.Data own = Synthesis.data(source, template, plan.maxTokens());
    try (own;
        Kernels kernels = Synthesis.kernels(execution);
        TunedDecoder model = Synthesis.begin(plan, folder, kernels);
        TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      // Its values are taken; mapped, the file's pages would be memory of this process.
      folder.close();
      UntunedTexts untuned = new UntunedTexts(model.base(), template, execution);
      listener.begin("drawing canaries", attack.canaries());
      List<CanaryTexts.Canary> canaries =
          canaryTexts.draw(untuned, key, attack.canaries(), listener::done);
      // Before training: what is tuned may be the untuned model's own weights.
      List<String> ordinary = ordinary(untuned, sampling.records(), listener);
      Coins coins = Coins.toss(key, attack.canaries());
      TrainingState state = new TrainingState(model, plan.tuning().optimizer(), arena);
      Labels labels = train(temporary, join(own, canaries, coins), model, state, listener);
      List<String> synthetic = sample(model, labels, listener);
      // As many of either: the form filter may have kept some of the tuned model's back.
      List<String> asMany = ordinary.subList(0, synthetic.size());
      return result(coins, scores(tokenizer, canaries, synthetic, asMany), synthetic.size());
    }
  }

  /** The owner's records as they are, and behind them the canaries that are in. */
  Synthesis.Data join(Synthesis.Data own, List<CanaryTexts.Canary> canaries, Coins coins) {
    List<Example> examples = new ArrayList<>(own.examples());
    long[] labelCounts = own.labelCounts().clone();
    for (int i = 0; i < canaries.size(); i++) {
      for (int copy = 0; coins.in(i) && copy < attack.repeats(); copy++) {
        examples.add(canaryTexts.example(canaries.get(i)));
        labelCounts[canaries.get(i).label()]++;
      }
    }
    return new Synthesis.Data(examples, labelCounts, own.digest());
  }

  /** Tunes the model, and returns the labels with the weights that synthetic records have. */
  private Labels train(
      Path temporary,
      Synthesis.Data data,
      TunedDecoder model,
      TrainingState state,
      SynthesisListener listener) {
    MechanismSpec mechanism = plan.mechanism();
    listener.begin("training", mechanism.steps());
    Labels labels = source.labels();
    try (SecretKey key = SecretKey.fromOperatingSystem();
        TemporaryLedger ledger = new TemporaryLedger(temporary, mechanism);
        PrivateTraining training =
            PrivateTraining.of(model, state, mechanism, plan.tuning(), execution)) {
      Ledger.Run run = ledger.startRun(plan.releases(), key);
      for (PrivacyEvent release : plan.releases()) {
        run.release(LabelHistogram.NAME, release);
        LabelHistogram.release(data.labelCounts(), plan.labelNoise().orElseThrow(), key);
        labels = LabelHistogram.weighted(labels, data.labelCounts());
      }
      training.run(data.examples(), run, key, 1, () -> {}, listener::done);
    }
    if (!state.tuned.isFinite()) {
      throw new InputException(
          "training diverged: the tuned model holds numbers that are not finite; take a lower"
              + " --learning-rate");
    }
    return labels;
  }

  private List<String> sample(TunedDecoder model, Labels labels, SynthesisListener listener) {
    listener.begin("sampling", sampling.records());
    Template weighted = Synthesis.template(folder, tokenizer, labels, prompt);
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      List<String> texts =
          new Sampling(model, weighted, sampling, execution, plan.maxTokens(), key)
              .run(listener::done).stream().map(SyntheticRecord::text).toList();
      if (texts.isEmpty()) {
        throw new IllegalStateException(
            "audit: no text that the model wrote has the form of a record; allow longer ones with"
                + " --max-tokens, or tune further");
      }
      return texts;
    }
  }

  /** Texts of the untuned model, the labels in turn. */
  private List<String> ordinary(UntunedTexts untuned, int count, SynthesisListener listener) {
    listener.begin("sampling the untuned model", count);
    int[] labels = IntStream.range(0, count).map(i -> i % source.labels().size()).toArray();
    return untuned.write(labels, plan.maxTokens() - template.longestPrefix(), listener::done);
  }

  /**
   * The attacker's scores, larger meaning more likely in.
   *
   * @param synthetic what the tuned model wrote
   * @param ordinary what the untuned model wrote
   */
  static double[] scores(
      Tokenizer tokenizer,
      List<CanaryTexts.Canary> canaries,
      List<String> synthetic,
      List<String> ordinary) {
    Bigrams tuned = bigrams(tokenizer, synthetic);
    Bigrams untuned = bigrams(tokenizer, ordinary);
    return canaries.stream()
        .mapToDouble(canary -> {
          int[] text = tokenizer.encode(canary.text());
          int from = Math.max(0, text.length - tokenizer.encode(canary.suffix()).length);
          return tuned.logProbability(text, from) - untuned.logProbability(text, from);
        })
        .toArray();
  }

  private static Bigrams bigrams(Tokenizer tokenizer, List<String> texts) {
    return new Bigrams(texts.stream().map(tokenizer::encode).toList(), tokenizer.vocabularySize());
  }

  private Result result(Coins coins, double[] scores, int texts) {
    double[] members = coins.scoresOf(true, scores);
    int half = scores.length / 2;
    return new Result(
        attack,
        plan.mechanism(),
        claimed,
        members.length,
        texts,
        Separation.of(members, coins.scoresOf(false, scores)),
        new Proportion(coins.rightGuesses(scores, half, scores.length - half), scores.length),
        shown(coins, scores));
  }

  private double shown(Coins coins, double[] scores) {
    double shown = 0;
    for (double share : NAMED) {
      int named = (int) (share * scores.length);
      double bound =
          new OneRunAudit(scores.length, named, coins.rightGuesses(scores, named, 0))
              .epsilonBelow(plan.mechanism().delta(), attack.significance() / NAMED.length);
      shown = Math.max(shown, bound);
    }
    return shown;
  }

  /**
   * What the run claims for so many records together, each drawn on its own, at the same delta:
   * more than so many times what it claims for one.
   */
  static double claimed(RunPlan plan, int records) {
    MechanismSpec mechanism = plan.mechanism();
    return records == 1 || mechanism.nonPrivate()
        ? plan.epsilon().upper()
        : Accountant.of(
                mechanism.relation(),
                RunPlan.events(mechanism.withUnit(ProtectedUnit.USER, records), plan.labelNoise()))
            .epsilon(mechanism.delta())
            .upper();
  }
}
