package palimpsest.synth;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.AdapterFolder;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.SecretKey;
import palimpsest.privacy.Statement;
import palimpsest.privacy.Waiver;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import palimpsest.synth.text.Records;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/**
 * The whole job: private records in, a tuned adapter, synthetic records and one privacy statement
 * out (arXiv 2306.01684).
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
  public static final String STATEMENT_TEXT = "STATEMENT.txt";
  public static final String STATEMENT_JSON = "privacy.json";
  public static final String ADAPTER = "adapter";

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  /**
   * The private file and how it is read.
   *
   * @param dataSet the owner's name for the data: the account in the ledger
   */
  public record Source(Path file, RecordOptions options, Labels labels, String dataSet) {}

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
    /** JSON lines into {@code folder}, with the user's usual state directory. */
    public static Destination of(Path folder) {
      return new Destination(folder, false, RunState.standardRoot(), OptionalDouble.empty(), false);
    }
  }

  /** How a template is to be made: kind of record, and a pattern of the owner's own, if any. */
  public record Prompt(String kind, java.util.Optional<String> pattern) {}

  /** What was made. */
  public record Outcome(
      Path folder, Statement statement, RunPlan plan, List<SyntheticRecord> records) {}

  private final ModelFolder folder;
  private final Tokenizer tokenizer;
  private final Template template;
  private final Source source;
  private final RunPlan plan;
  private final SamplingSettings sampling;
  private final ExecutionSpec execution;
  private final Set<Waiver> waivers;

  private Synthesis(
      ModelFolder folder,
      Source source,
      Prompt prompt,
      RunSettings settings,
      SamplingSettings sampling,
      ExecutionSpec execution,
      Set<Waiver> waivers) {
    this.folder = folder;
    this.source = source;
    this.sampling = sampling;
    this.execution = execution.forLength(settings.maxTokens());
    this.waivers = waivers;
    tokenizer = tokenizer(folder);
    template = template(folder, tokenizer, source.labels(), prompt);
    plan = RunPlan.of(settings, folder.config());
  }

  /**
   * Runs the job.
   *
   * @param model folder of the pretrained model
   * @throws palimpsest.synth.text.InputException for bad input, in one line
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
    try (ModelFolder folder = ModelFolder.open(model)) {
      return new Synthesis(folder, source, prompt, settings, sampling, execution, waivers)
          .run(destination, listener);
    }
  }

  /** Writes records to a file that must not exist yet: CSV if its name ends so, else JSON lines. */
  public static void writeRecords(Path file, List<SyntheticRecord> records, Labels labels) {
    if (Files.exists(file)) {
      throw new palimpsest.synth.text.InputException(
          file + ": is there already; choose another name");
    }
    AtomicFiles.file(
        file, RecordWriter.bytes(records, labels, file.getFileName().toString().endsWith(".csv")));
  }

  /** Forgets an interrupted run for this destination. What it paid stays paid. */
  public static void discard(Destination destination) {
    RunState.discard(destination.state(), destination.folder());
  }

  /** The tokenizer of a model folder. */
  public static Tokenizer tokenizer(ModelFolder folder) {
    return Tokenizer.read(
        folder
            .tokenizer()
            .orElseThrow(() ->
                new palimpsest.synth.text.InputException(
                    folder.path() + ": there is no tokenizer.json")));
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

  /** The kernels that an execution asks for. */
  public static Kernels kernels(ExecutionSpec execution) {
    return execution.compute() == DType.F64
        ? new ReferenceKernels()
        : new CpuKernels(execution.compute());
  }

  private Outcome run(Destination destination, SynthesisListener listener) {
    refuseOccupied(destination.folder());
    RunState.privateDirectory(destination.state());
    String settings = settings();
    try (Ledger ledger = openLedger(destination);
        Kernels kernels = kernels(execution);
        Decoder decoder = new Decoder(folder, kernels, true, plan.maxTokens());
        TensorArena arena = new TensorArena()) {
      RunState runState =
          RunState.open(destination.state(), destination.folder(), settings, destination.resume());
      Adapter adapter =
          new Adapter(
              folder.config(),
              plan.tuning().rank(),
              plan.tuning().alpha(),
              Adapter.linearRoles(folder.config()),
              kernels,
              arena);
      adapter.initialize(new SplittableRandom(0));
      TrainingState state = new TrainingState(adapter, kernels, arena);
      state.load(runState.checkpoint());
      LedgerRecord.RunStart paid = train(ledger, runState, settings, decoder, state, listener);
      List<SyntheticRecord> records = sample(decoder, adapter, listener);
      Statement statement = statement(ledger, runState, paid);
      write(destination, adapter, records, statement);
      runState.close();
      return new Outcome(destination.folder(), statement, plan, records);
    }
  }

  /** Everything public that the result follows from: a resumed run must agree with it. */
  private String settings() {
    StringBuilder text = new StringBuilder();
    text.append(plan.mechanism()).append(plan.tuning()).append(plan.maxTokens());
    text.append(folder.config()).append(source.dataSet()).append(template.endToken());
    for (int label = 0; label < source.labels().size(); label++) {
      text.append(java.util.Arrays.toString(template.prefix(label)));
    }
    return text.toString();
  }

  private Ledger openLedger(Destination destination) {
    Path directory = RunState.privateDirectory(destination.state().resolve("ledgers"));
    MechanismSpec spec = plan.mechanism();
    Ledger ledger = Ledger.openOrCreate(directory, source.dataSet(), spec.unit(), spec.relation());
    destination.cap().ifPresent(cap -> ledger.setCap(cap, spec.delta()));
    return ledger;
  }

  /** Trains what is not yet paid for; returns the last run of the ledger that paid. */
  private LedgerRecord.RunStart train(
      Ledger ledger,
      RunState runState,
      String settings,
      Decoder decoder,
      TrainingState state,
      SynthesisListener listener) {
    long paid = runState.stepsPaid(ledger.records());
    int steps = plan.mechanism().steps();
    listener.begin("training", steps);
    listener.done(paid);
    if (paid >= steps) {
      return lastRun(ledger);
    }
    ledger.fileSeen(source.file());
    List<Example> examples = examples();
    try (SecretKey key = SecretKey.fromOperatingSystem();
        PrivateTraining training =
            new PrivateTraining(decoder, state, plan.mechanism(), plan.tuning(), execution)) {
      Ledger.Run run = ledger.startRun(plan.mechanism().withSteps((int) (steps - paid)), key);
      runState.paidBy(run.start().run(), settings);
      training.run(examples, run, key, paid + 1, runState.checkpoint(), listener::done);
      run.end(true);
      return run.start();
    }
  }

  private static LedgerRecord.RunStart lastRun(Ledger ledger) {
    return ledger.records().stream()
        .filter(LedgerRecord.RunStart.class::isInstance)
        .map(LedgerRecord.RunStart.class::cast)
        .reduce((a, b) -> b)
        .orElseThrow();
  }

  private List<Example> examples() {
    Records records = Records.read(source.file(), source.options(), source.labels());
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < records.size(); i++) {
      Template.Encoded encoded =
          template.encodeRecord(records.label(i), records.text(i), plan.maxTokens());
      examples.add(new Example(encoded.ids(), encoded.prefixLength()));
    }
    records.erase();
    return examples;
  }

  private List<SyntheticRecord> sample(
      Decoder decoder, Adapter adapter, SynthesisListener listener) {
    listener.begin("sampling", sampling.records());
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      return new Sampling(decoder, adapter, template, sampling, execution, plan.maxTokens(), key)
          .run(listener::done);
    }
  }

  /** One statement for the run as a whole, whatever runs of the ledger it took. */
  private Statement statement(Ledger ledger, RunState runState, LedgerRecord.RunStart paid) {
    return new Statement(
        source.dataSet(),
        plan.mechanism(),
        runState.stepsPaid(ledger.records()),
        plan.epsilon(),
        ledger.spent(plan.mechanism().delta()),
        paid.insecure(),
        waivers,
        ledger.head());
  }

  private static void refuseOccupied(Path target) {
    try {
      if (Files.exists(target)) {
        try (var entries = Files.newDirectoryStream(target)) {
          if (entries.iterator().hasNext()) {
            throw new palimpsest.synth.text.InputException(
                target + ": the output folder is not empty; remove it or choose another name");
          }
        }
      }
    } catch (IOException e) {
      throw new palimpsest.synth.text.InputException(
          target + ": is no folder; choose another name");
    }
  }

  private void write(
      Destination destination,
      Adapter adapter,
      List<SyntheticRecord> records,
      Statement statement) {
    Path target = destination.folder();
    AtomicFiles.folder(
        target,
        out -> {
          if (sampling.records() > 0) {
            AtomicFiles.file(
                out.resolve(destination.csv() ? RECORDS_CSV : RECORDS_JSONL),
                RecordWriter.bytes(records, source.labels(), destination.csv()));
          }
          Files.writeString(out.resolve(STATEMENT_TEXT), statement.text(), StandardCharsets.UTF_8);
          Files.writeString(
              out.resolve(STATEMENT_JSON),
              JSON.writeValueAsString(content(statement)) + "\n",
              StandardCharsets.UTF_8);
          AdapterFolder.write(
              out.resolve(ADAPTER),
              folder.config(),
              new AdapterFolder.Settings(
                  adapter.rank(),
                  adapter.alpha(),
                  false,
                  Adapter.linearRoles(folder.config()),
                  baseName()),
              (role, layer) -> {
                Adapter.Site site = adapter.site(role, layer);
                return new AdapterFolder.Factors(
                    adapter.a(adapter.parameters(), site), adapter.b(adapter.parameters(), site));
              });
        });
  }

  /** The model's name, without the path to it, which would tell where the owner keeps files. */
  private String baseName() {
    return folder.path().toAbsolutePath().normalize().getFileName().toString();
  }

  private Map<String, Object> content(Statement statement) {
    Map<String, Object> content = new LinkedHashMap<>(statement.content());
    Map<String, Object> made = new LinkedHashMap<>();
    made.put("baseModel", baseName());
    made.put("method", "lora");
    made.put("rank", plan.tuning().rank());
    made.put("alpha", plan.tuning().alpha());
    made.put("learningRate", plan.tuning().learningRate());
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
}
