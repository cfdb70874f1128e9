package palimpsest.synth;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Collectors;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Sha256;
import palimpsest.privacy.HeldLock;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.RunTerms;
import palimpsest.privacy.SecretKey;
import palimpsest.privacy.Statement;
import palimpsest.privacy.Waiver;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import palimpsest.synth.text.Records;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/**
 * The whole job: private records in, a tuned model, synthetic records and one privacy statement out
 * (arXiv 2306.01684).
 *
 * <p>Everything public is settled first: plan, template, output folder. Then the ledger is opened,
 * the records are read, training pays step by step, and from the noisy updates on all is
 * post-processing. The output folder appears whole at the end or not at all.
 */
public final class Synthesis {
  /** Columns of a file of synthetic records. */
  public static final String LABEL_COLUMN = "label";

  public static final String TEXT_COLUMN = "text";

  /** Files of the output folder. */
  public static final String RECORDS_JSONL = "synthetic.jsonl";

  public static final String RECORDS_CSV = "synthetic.csv";
  public static final String STATEMENT_TEXT = ModelFolder.STATEMENT;
  public static final String STATEMENT_JSON = "privacy.json";

  /** Folder of what was tuned, beside the base model or, with all weights, in its place. */
  public static final String ADAPTER = "adapter";

  public static final String MODEL = "model";

  /**
   * The private file and how it is read.
   *
   * @param dataSet the owner's name for the data: the account in the ledger
   * @param named whether the owner gave that name; if not, a new run takes it only where there are
   *     no accounts at all
   */
  public record Source(
      Path file, RecordOptions options, Labels labels, String dataSet, boolean named) {
    /** With a name that the owner gave. */
    public Source(Path file, RecordOptions options, Labels labels, String dataSet) {
      this(file, options, labels, dataSet, true);
    }
  }

  /**
   * Where things go.
   *
   * @param folder of the releasable output; must not exist, or be empty
   * @param csv write CSV, else JSON lines
   * @param state private state directory
   * @param cap the owner's limit of the data set's total epsilon, if one is to be set
   * @param resume go on with an interrupted run
   */
  public record Destination(
      Path folder, boolean csv, Path state, OptionalDouble cap, boolean resume) {
    /** Checks the cap. */
    public Destination {
      if (cap.isPresent() && !(cap.getAsDouble() > 0)) {
        throw new IllegalArgumentException(
            "the cap is epsilon " + cap.getAsDouble() + "; it must be above 0");
      }
    }

    /** JSON lines into {@code folder}, with the user's usual state directory. */
    public static Destination of(Path folder) {
      return new Destination(folder, false, StateFolder.standard(), OptionalDouble.empty(), false);
    }
  }

  /** How a template is to be made: kind of record, and a pattern of the owner's own, if any. */
  public record Prompt(String kind, Optional<String> pattern) {}

  /** What was made. */
  public record Outcome(
      Path folder, Statement statement, RunPlan plan, List<SyntheticRecord> records) {}

  /** Accounts that a message lists. */
  private static final int MOST_NAMED = 10;

  private final ModelFolder folder;
  private final Tokenizer tokenizer;
  private final Template template;
  private final Prompt prompt;
  private final Source source;
  private final RunPlan plan;
  private final SamplingSettings sampling;
  private final ExecutionSpec execution;
  private final Set<Waiver> waivers;

  /** Digest of the base model's weights. */
  private final String weights;

  private Synthesis(
      ModelFolder folder,
      Source source,
      Prompt prompt,
      RunSettings settings,
      SamplingSettings sampling,
      ExecutionSpec execution,
      Set<Waiver> waivers) {
    requireSameUnit(settings.goal(), source.options());
    this.folder = folder;
    this.source = source;
    this.sampling = sampling;
    plan = RunPlan.of(settings, folder.config());
    this.execution = execution.forLength(plan.longestSequence());
    ExampleGradients.requireRecomputable(settings.method(), execution.recompute());
    this.waivers = waivers;
    tokenizer = tokenizer(folder);
    template = template(folder, tokenizer, source.labels(), prompt);
    template.requireRoom(settings.maxTokens());
    requireLabelsToCount(settings, source.labels());
    this.prompt = prompt;
    weights = folder.digest();
  }

  /**
   * Whom the statement protects and whose records are counted must be the same people: else it
   * would speak of persons where nobody was limited, or of a record where one can displace another.
   */
  static void requireSameUnit(RunSettings.Goal goal, RecordOptions options) {
    ProtectedUnit unit = options.user().isPresent() ? ProtectedUnit.USER : ProtectedUnit.RECORD;
    if (goal.unit() != unit || goal.recordsPerUser() != options.recordsPerUser()) {
      throw new IllegalArgumentException(
          "the goal protects "
              + goal.unit()
              + " with "
              + goal.recordsPerUser()
              + " records, but the records are read for "
              + unit
              + " with "
              + options.recordsPerUser());
    }
  }

  private static void requireLabelsToCount(RunSettings settings, Labels labels) {
    if (settings.labelNoise().isPresent() && labels.size() < 2) {
      throw new InputException("label counts: there is but one label; leave out --label-noise");
    }
  }

  /**
   * Runs the job.
   *
   * @param model folder of the pretrained model
   * @throws InputException for bad input, in one line
   * @throws palimpsest.privacy.PrivacyBudgetException if the run would pass the owner's cap
   */
  public static Outcome run(
      Path model,
      Source source,
      Prompt prompt,
      RunSettings settings,
      SamplingSettings sampling,
      ExecutionSpec execution,
      Set<Waiver> waivers,
      Destination destination,
      SynthesisListener listener) {
    AdapterCard.refuseAsBase(model);
    try (ModelFolder folder = ModelFolder.open(model)) {
      return new Synthesis(folder, source, prompt, settings, sampling, execution, waivers)
          .run(destination, listener);
    }
  }

  /**
   * Runs the job with the usual settings of everything that is not named.
   *
   * @param model folder of the pretrained model
   * @param kind what a record is, in a word or two: public
   * @param records how many are written
   * @param folder of the releasable output; must not exist, or be empty
   */
  public static Outcome run(
      Path model, Source source, String kind, RunSettings settings, int records, Path folder) {
    return run(
        model,
        source,
        new Prompt(kind, Optional.empty()),
        settings,
        SamplingSettings.of(records),
        ExecutionSpec.defaults(),
        Set.of(),
        Destination.of(folder),
        SynthesisListener.silent());
  }

  /**
   * Refuses to write over a file.
   *
   * @throws InputException if there is one
   */
  public static void refuseExisting(Path file) {
    if (Files.exists(file)) {
      throw new InputException(file + ": is there already; choose another name");
    }
  }

  /** Writes records to a file that must not exist yet: CSV if its name ends so, else JSON lines. */
  public static void writeRecords(Path file, List<SyntheticRecord> records, Labels labels) {
    refuseExisting(file);
    AtomicFiles.file(
        file, RecordWriter.bytes(records, labels, file.getFileName().toString().endsWith(".csv")));
  }

  /** Whether an interrupted run for this destination can be resumed. */
  public static boolean isUnfinished(Destination destination) {
    return RunState.exists(destination.state(), destination.folder());
  }

  /**
   * Forgets an interrupted run for this destination. What it paid stays paid.
   *
   * @throws InputException if it is going on
   */
  public static void discard(Destination destination) {
    RunState.discard(destination.state(), destination.folder());
  }

  /**
   * The tokenizer of a model folder.
   *
   * @throws InputException if there is none, or it has tokens that the model does not: a record
   *     with such a token would make the step fail
   */
  public static Tokenizer tokenizer(ModelFolder folder) {
    Tokenizer tokenizer =
        Tokenizer.read(
            folder
                .tokenizer()
                .orElseThrow(
                    () -> new InputException(folder.path() + ": there is no tokenizer.json")));
    int rows = folder.config().vocabularySize();
    if (tokenizer.vocabularySize() > rows) {
      throw new InputException(
          folder.path()
              + ": tokenizer.json has "
              + tokenizer.vocabularySize()
              + " tokens, the model only "
              + rows
              + "; they do not belong together");
    }
    return tokenizer;
  }

  /**
   * The template for a model: its own end token, a begin token where its configuration names one
   * that it was trained with.
   */
  public static Template template(
      ModelFolder folder, Tokenizer tokenizer, Labels labels, Prompt prompt) {
    Template.Control likely = Template.Control.of(tokenizer);
    Template.Control control =
        new Template.Control(likely.begin(), folder.config().endId().orElse(likely.end()));
    return prompt
        .pattern()
        .map(pattern -> Template.custom(tokenizer, labels, prompt.kind(), pattern, control))
        .orElseGet(() -> Template.describe(tokenizer, labels, prompt.kind(), control));
  }

  /** The model at the start of training: a function of public things. */
  static TunedDecoder begin(RunPlan plan, ModelFolder folder, Kernels kernels) {
    return TunedDecoder.begin(
        folder, kernels, plan.maxTokens(), plan.tuning().method(), new SplittableRandom(0));
  }

  /** Name of the folder that what was tuned is released in. */
  public static String tunedFolder(TuningMethod method) {
    return method instanceof TuningMethod.Full ? MODEL : ADAPTER;
  }

  /** The kernels that an execution asks for. */
  public static Kernels kernels(ExecutionSpec execution) {
    return execution.compute() == DType.F64
        ? new ReferenceKernels()
        : new CpuKernels(execution.compute());
  }

  /**
   * The private file is read before anything is paid or kept, so a file that cannot be used leaves
   * nothing behind; from then on no record has a say in whether the run succeeds.
   */
  private Outcome run(Destination destination, SynthesisListener listener) {
    ReleaseFolder.refuseUnusable(destination.folder());
    StateFolder.make(destination.state());
    try (RunState runState =
        RunState.open(
            destination.state(), destination.folder(), settings(), destination.resume())) {
      AtomicFiles.removeLeftovers(destination.folder());
      Data data = data(source, template, plan.maxTokens());
      try (Ledger ledger = openLedger(destination, runState, data.digest());
          Kernels kernels = kernels(execution);
          TunedDecoder model = begin(plan, folder, kernels);
          TensorArena arena = new TensorArena()) {
        // Its values are taken; mapped, the file's pages would be memory of this process.
        folder.close();
        TrainingState state = new TrainingState(model, plan.tuning().optimizer(), arena);
        try (data) {
          train(ledger, runState, data, model, state, listener);
        }
        requireFinite(model);
        Labels labels = labels(runState);
        List<SyntheticRecord> records = sample(model, labels, listener);
        Statement statement = statement(ledger, runState);
        write(destination, model, labels, records, statement);
        runState.finish();
        return new Outcome(destination.folder(), statement, plan, records);
      }
    }
  }

  /** Everything stated that the result or its guarantee follows from: a resumed run must agree. */
  private String settings() {
    StringBuilder text = new StringBuilder();
    text.append(plan.mechanism()).append(plan.tuning()).append(plan.maxTokens());
    text.append(plan.labelNoise());
    text.append(folder.config()).append(baseName()).append(weights).append(source.dataSet());
    text.append(tokenizerDigest(folder));
    text.append(source.options()).append(source.labels().names()).append(new TreeSet<>(waivers));
    text.append(template.endToken());
    for (int label = 0; label < source.labels().size(); label++) {
      text.append(Arrays.toString(template.prefix(label)));
    }
    return text.toString();
  }

  /** The same weights behind other merges would read the records otherwise from here on. */
  private static String tokenizerDigest(ModelFolder folder) {
    Path file = folder.tokenizer().orElseThrow();
    try {
      return Sha256.of(file);
    } catch (IOException e) {
      throw InputException.unreadable(file.toString(), e);
    }
  }

  /**
   * The account of the data set, which has then recorded that this run reads this file. Nobody else
   * looks for the file's account, or whether there are accounts, meanwhile.
   */
  private Ledger openLedger(Destination destination, RunState runState, byte[] digest) {
    Path directory = StateFolder.make(StateFolder.ledgers(destination.state()));
    try (HeldLock _ = Ledger.exclusive(directory)) {
      if (!source.named() && !destination.resume()) {
        requireName(Ledger.accounts(directory));
      }
      Ledger.accountThatSaw(directory, digest)
          .filter(name -> !name.equals(source.dataSet()))
          .ifPresent(name -> {
            throw new InputException(
                "this very file belongs to the account '"
                    + name
                    + "': go on with it by --name "
                    + name);
          });
      MechanismSpec spec = plan.mechanism();
      Ledger ledger =
          Ledger.openOrCreate(directory, source.dataSet(), spec.unit(), spec.relation());
      try {
        ledger.requireSameRows(source.options().rows(source.file()));
        destination.cap().ifPresent(cap -> lowerCap(ledger, cap, spec.delta()));
        runState.requireSameData(ledger.fileCode(digest));
        ledger.fileSeen(digest);
        return ledger;
      } catch (RuntimeException e) {
        ledger.close();
        throw e;
      }
    }
  }

  /**
   * A file that was edited is other bytes, so nobody but its owner knows whether it is an account's
   * data: where there are accounts, nothing is guessed. Whether to ask does not depend on the file.
   */
  private static void requireName(List<String> accounts) {
    if (!accounts.isEmpty()) {
      throw new InputException(
          "give --name: that of an account if the file holds its data, also changed or in part ("
              + accounts.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))
              + (accounts.size() > MOST_NAMED ? ", ..." : "")
              + "), else a new one");
    }
  }

  /**
   * Raising a cap is the owner's explicit act, not a side effect of a run; counting the total at a
   * larger delta would raise it too.
   */
  private static void lowerCap(Ledger ledger, double cap, double delta) {
    Optional<LedgerRecord.Cap> inForce = ledger.cap();
    double epsilon = inForce.map(LedgerRecord.Cap::epsilon).orElse(Double.POSITIVE_INFINITY);
    if (cap > epsilon) {
      throw new InputException(
          "the cap in force is epsilon "
              + epsilon
              + "; a run cannot raise it, `palimpsest ledger cap` can");
    }
    double deltaInForce = inForce.map(LedgerRecord.Cap::delta).orElse(1.0);
    if (cap < epsilon || delta < deltaInForce) {
      ledger.setCap(cap, Math.min(delta, deltaInForce));
    }
  }

  /** Trains what is not yet paid for. */
  private void train(
      Ledger ledger,
      RunState runState,
      Data data,
      TunedDecoder model,
      TrainingState state,
      SynthesisListener listener) {
    long paid = runState.stepsPaid(ledger.records());
    if (runState.isPaidFor()) {
      state.load(runState.checkpoint(), runState.name(), paid);
    }
    int steps = plan.mechanism().steps();
    listener.begin("training", steps);
    listener.done(paid);
    if (paid >= steps) {
      return;
    }
    List<PrivacyEvent> releases =
        runState.hasReleased(ledger.records()) ? List.of() : plan.releases();
    try (SecretKey key = SecretKey.fromOperatingSystem();
        PrivateTraining training =
            PrivateTraining.of(model, state, plan.mechanism(), plan.tuning(), execution)) {
      RunTerms terms =
          new RunTerms(
              plan.mechanism().withSteps((int) (steps - paid)),
              source.options().rows(source.file()),
              waivers,
              runState.first());
      Ledger.Run run = ledger.startRun(terms, releases, key);
      runState.paidBy(run.start(), ledger.fileCode(data.digest()));
      for (PrivacyEvent release : releases) {
        run.release(LabelHistogram.NAME, release);
        runState.keepLabelCounts(noisyCounts(data, key));
      }
      training.run(
          data.examples(),
          run,
          key,
          paid + 1,
          () -> state.save(runState.checkpoint(), runState.name()),
          listener::done);
      run.end();
    }
  }

  private long[] noisyCounts(Data data, SecretKey key) {
    long[] counts = data.labelCounts().clone();
    LabelHistogram.release(counts, plan.labelNoise().orElseThrow(), key);
    return counts;
  }

  /**
   * The labels with the weights that synthetic records have: released ones where there are any.
   * Counts that were paid for and that a crash took stay paid, as steps do, and are not released
   * again: that would cost more than was planned.
   */
  private Labels labels(RunState runState) {
    return runState
        .labelCounts()
        .map(counts -> LabelHistogram.weighted(source.labels(), counts))
        .orElse(source.labels());
  }

  /** A rate that is far too large can make numbers overflow, noise or not. */
  private static void requireFinite(TunedDecoder model) {
    if (!model.tuned().isFinite()) {
      throw new InputException(
          "training diverged: the tuned model holds numbers that are not finite; forget the run with"
              + " --discard and take a lower --learning-rate");
    }
  }

  /**
   * The private records as the model sees them.
   *
   * @param labelCounts records of each label
   * @param digest of the very bytes that they were read from
   */
  record Data(List<Example> examples, long[] labelCounts, byte[] digest) implements AutoCloseable {
    /** Overwrites the records' tokens. */
    @Override
    public void close() {
      examples.forEach(example -> Arrays.fill(example.tokens(), 0));
    }
  }

  static Data data(Source source, Template template, int maxTokens) {
    Records records =
        Records.read(source.file(), source.options().withMaxTokens(maxTokens), source.labels());
    return encode(records, source.labels().size(), template, maxTokens);
  }

  /** Leaves nothing of the texts in the records. */
  static Data encode(Records records, int labels, Template template, int maxTokens) {
    List<Example> examples = new ArrayList<>();
    long[] labelCounts = new long[labels];
    for (int i = 0; i < records.size(); i++) {
      labelCounts[records.label(i)]++;
      Template.Encoded encoded =
          template.encodeRecord(records.label(i), records.text(i), maxTokens);
      examples.add(new Example(encoded.ids(), encoded.prefixLength()));
    }
    records.erase();
    return new Data(examples, labelCounts, records.digest());
  }

  private List<SyntheticRecord> sample(
      TunedDecoder model, Labels labels, SynthesisListener listener) {
    listener.begin("sampling", sampling.records());
    Template weighted = template(folder, tokenizer, labels, prompt);
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      return new Sampling(model, weighted, sampling, execution, plan.maxTokens(), key)
          .run(listener::done);
    }
  }

  /** One statement for the run as a whole, whatever runs of the ledger it took. */
  private Statement statement(Ledger ledger, RunState runState) {
    return new Statement(
        source.dataSet(),
        baseName(),
        plan.mechanism(),
        runState.stepsPaid(ledger.records()),
        labelCounts(runState),
        plan.epsilon(),
        runState.isInsecure(ledger.records()),
        waivers,
        ledger.account(plan.mechanism().delta()));
  }

  private Optional<Statement.LabelCounts> labelCounts(RunState runState) {
    return plan.labelNoise().isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Statement.LabelCounts(
                plan.labelNoise().getAsDouble(), runState.labelCounts().isEmpty()));
  }

  private void write(
      Destination destination,
      TunedDecoder model,
      Labels labels,
      List<SyntheticRecord> records,
      Statement statement) {
    ReleaseFolder.write(
        destination.folder(),
        out -> {
          if (sampling.records() > 0) {
            AtomicFiles.file(
                out.resolve(destination.csv() ? RECORDS_CSV : RECORDS_JSONL),
                RecordWriter.bytes(records, source.labels(), destination.csv()));
          }
        },
        new AdapterCard(
            baseName(), weights, trained(), labels, prompt, plan.maxTokens(), statement.text()),
        content(statement),
        model);
  }

  /** The model's name, without the path to it, which would tell where the owner keeps files. */
  private String baseName() {
    return folder.path().toAbsolutePath().normalize().getFileName().toString();
  }

  private Map<String, Object> content(Statement statement) {
    Map<String, Object> content = new LinkedHashMap<>(statement.content());
    Map<String, Object> made = new LinkedHashMap<>();
    made.put("baseModel", baseName());
    made.put("baseModelSha256", weights);
    made.put("baseModelOverlap", "unknown");
    putMethod(made);
    putOptimizer(made);
    made.put("maxTokens", plan.maxTokens());
    made.put("temperature", sampling.temperature());
    made.put("topK", sampling.topK());
    made.put("topP", sampling.topP());
    made.put("guidance", sampling.guidance());
    made.put("judge", sampling.judge());
    made.put("labels", source.labels().names());
    content.put("made", made);
    return content;
  }

  /** The method and what is particular to it. */
  private void putMethod(Map<String, Object> made) {
    TuningMethod method = plan.tuning().method();
    made.put("method", method.id());
    switch (method) {
      case TuningMethod.Lora lora -> {
        made.put("rank", lora.rank());
        made.put("alpha", lora.alpha());
        made.put("targets", names(lora.targets(folder.config())));
      }
      case TuningMethod.Prompt prompt -> made.put("promptTokens", prompt.tokens());
      case TuningMethod.Bias bias -> made.put("targets", names(bias.targets(folder.config())));
      case TuningMethod.Full full -> {
        made.put("trained", full.trained().words());
        made.put("norms", full.norms().id());
      }
    }
    made.put("parameters", plan.parameters());
  }

  /** Patterns of the tensors that were trained, where not all of the model's own were. */
  private List<String> trained() {
    return plan.tuning().method() instanceof TuningMethod.Full full
        ? full.trained().patterns()
        : List.of();
  }

  private void putOptimizer(Map<String, Object> made) {
    OptimizerSpec optimizer = plan.tuning().optimizer();
    made.put("optimizer", optimizer.kind().id());
    made.put("learningRate", optimizer.learningRate());
    made.put("schedule", optimizer.schedule().id());
    made.put("warmup", optimizer.warmup());
    made.put("momentum", optimizer.momentum());
    made.put("weightDecay", optimizer.settings().weightDecay());
  }

  private static List<String> names(Set<Role> targets) {
    return targets.stream().map(Role::name).sorted().toList();
  }
}
