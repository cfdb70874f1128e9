package palimpsest.synth;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import palimpsest.engine.generate.HeldOutLoss;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.AllWeights;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.BatchGradient;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.Sha256;
import palimpsest.synth.report.LineChart;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Tokenizer;

/**
 * Training of all weights on PUBLIC text, with neither clipping of examples nor noise: what a base
 * model is made by. The same engine as the private step, on whole sequences of packed text.
 *
 * <p>A step reads the sequences that follow from its number; sums are taken in a fixed order. So a
 * run that was interrupted goes on to the same bits, with any number of threads.
 */
public final class Pretraining implements AutoCloseable {
  /**
   * Tokens of text, document after document, each ended by the end token.
   *
   * @param bytes of the documents
   */
  public record Text(int[] tokens, long bytes) {
    /** Encodes documents. */
    public static Text of(List<byte[]> documents, Tokenizer tokenizer, int endToken) {
      long bytes = 0;
      List<int[]> encoded = new ArrayList<>();
      int size = 0;
      for (byte[] document : documents) {
        int[] ids = tokenizer.encode(document);
        encoded.add(ids);
        size = Math.addExact(size, ids.length + 1);
        bytes += document.length;
      }
      int[] tokens = new int[size];
      int at = 0;
      for (int[] ids : encoded) {
        System.arraycopy(ids, 0, tokens, at, ids.length);
        at += ids.length;
        tokens[at++] = endToken;
      }
      return new Text(tokens, bytes);
    }
  }

  /**
   * A point of the loss curve.
   *
   * @param loss mean over the step's tokens, in nats a token
   * @param bitsPerByte of held-out text, where it was measured
   */
  public record Point(long step, double loss, OptionalDouble bitsPerByte) {
    private String line() {
      return step + "," + loss + "," + (bitsPerByte.isPresent() ? bitsPerByte.getAsDouble() : "");
    }

    private static Point read(String line) {
      String[] cells = line.split(",", -1);
      return new Point(
          Long.parseLong(cells[0]),
          Double.parseDouble(cells[1]),
          cells[2].isEmpty()
              ? OptionalDouble.empty()
              : OptionalDouble.of(Double.parseDouble(cells[2])));
    }
  }

  private static final String HEADER = "step,loss,bits_per_byte";
  private static final String STATE = "training.safetensors";
  private static final String CURVE = "loss.csv";
  private static final String CHART = "loss.svg";
  private static final String SUMMARY = "pretrain.json";
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final long SAVE_NANOS = 60_000_000_000L;

  private final PretrainSettings settings;
  private final SequenceOrder order;
  private final Text heldOut;
  private final String run;
  private final Kernels kernels;
  private final TunedDecoder model;
  private final TensorArena arena = new TensorArena();
  private final Workers workers;
  private final TrainingState state;
  private final AllWeights weights;
  private final BatchGradient gradient;
  private final Tensor sum;
  private final HeldOutLoss heldOutLoss;
  private final List<Point> curve = new ArrayList<>();

  /**
   * @param start the model that training starts from; may be closed afterwards
   * @param heldOut text that is not trained on, or null
   * @throws InputException if the model or the text is too short for the settings
   */
  public Pretraining(
      ModelFolder start, Text text, Text heldOut, PretrainSettings settings, ExecutionSpec asked) {
    requireRoom(start, text, settings);
    this.settings = settings;
    this.heldOut = heldOut;
    order = new SequenceOrder(text.tokens, settings.length(), settings.seed());
    ExecutionSpec execution = asked.forLength(settings.length());
    run = name(start, text, heldOut, settings, execution);
    kernels = Synthesis.kernels(execution);
    model =
        TunedDecoder.begin(
            start, kernels, settings.length(), new TuningMethod.Full(), new SplittableRandom(0));
    weights = (AllWeights) model.tuned();
    workers = new Workers(execution.workers(), "palimpsest-pretrain");
    state = new TrainingState(model, settings.optimizer(), arena);
    sum = arena.allocate(kernels.wide(), weights.size());
    List<ExampleGradients> buffers = new ArrayList<>();
    for (int i = 0; i < workers.count(); i++) {
      buffers.add(
          ExampleGradients.of(
              model.decoder(),
              weights,
              execution.groupRows(),
              Math.max(1, execution.groupRows() / settings.length()),
              arena));
    }
    gradient = BatchGradient.plain(workers, buffers);
    heldOutLoss = new HeldOutLoss(model, workers, settings.length(), arena);
  }

  private static void requireRoom(ModelFolder start, Text text, PretrainSettings settings) {
    if (settings.length() > start.config().contextLength()) {
      throw new InputException(
          "--length: sequences of %d tokens; this model's context has %d"
              .formatted(settings.length(), start.config().contextLength()));
    }
    if (text.tokens.length <= settings.length()) {
      throw new InputException(
          "the text has %d tokens, too few for one sequence of %d; give more text or a smaller --length"
              .formatted(text.tokens.length, settings.length()));
    }
  }

  /** Of everything that the result follows from: a state is gone on with under this name alone. */
  private static String name(
      ModelFolder start,
      Text text,
      Text heldOut,
      PretrainSettings settings,
      ExecutionSpec execution) {
    String words =
        settings
            + start.digest()
            + execution.compute()
            + execution.groupRows()
            + digest(text)
            + (heldOut == null ? "" : digest(heldOut));
    return Sha256.of(words.getBytes(StandardCharsets.UTF_8));
  }

  private static String digest(Text text) {
    MessageDigest digest = Sha256.start();
    for (int token : text.tokens) {
      digest.update((byte) token);
      digest.update((byte) (token >> 8));
      digest.update((byte) (token >> 16));
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /**
   * Goes on from a state that {@link #run} saved; without one there, training starts.
   *
   * @throws InputException if the state is of another run
   */
  public void resume(Path folder) {
    Path saved = folder.resolve(STATE);
    if (!Files.exists(saved)) {
      return;
    }
    try {
      state.load(saved, run, settings.steps());
    } catch (InputException _) {
      throw new InputException(
          folder
              + ": the state in it is of another run, or damaged; resume with the same options, or remove the folder");
    }
    try {
      for (String line : Files.readAllLines(folder.resolve(CURVE))) {
        if (!line.equals(HEADER)) {
          Point point = Point.read(line);
          if (point.step <= state.updates) {
            curve.add(point);
          }
        }
      }
    } catch (IOException | RuntimeException e) {
      throw InputException.unreadable(folder.resolve(CURVE).toString(), e);
    }
  }

  /** Updates made so far. */
  public long updates() {
    return state.updates;
  }

  /**
   * Makes the steps that are left.
   *
   * @param folder where the state is saved once a minute; there must be one
   * @param measured told each point of the curve
   */
  public void run(Path folder, SynthesisListener listener, Consumer<Point> measured) {
    listener.begin("training", Math.max(1, settings.steps()));
    listener.done(state.updates);
    long saved = System.nanoTime();
    int every = Math.max(1, settings.steps() / 10);
    while (state.updates < settings.steps()) {
      double loss = step(state.updates + 1);
      OptionalDouble bits =
          heldOut != null && state.updates % every == 0
              ? OptionalDouble.of(bitsPerByte())
              : OptionalDouble.empty();
      Point point = new Point(state.updates, loss, bits);
      curve.add(point);
      measured.accept(point);
      listener.done(state.updates);
      if (System.nanoTime() - saved > SAVE_NANOS) {
        save(folder);
        saved = System.nanoTime();
      }
    }
    listener.done(Math.max(1, state.updates));
  }

  /** The curve first: it may be ahead of the state, whose number of updates cuts it. */
  void save(Path folder) {
    AtomicFiles.file(folder.resolve(CURVE), curveBytes());
    state.save(folder.resolve(STATE), run);
  }

  private byte[] curveBytes() {
    StringBuilder text = new StringBuilder(HEADER).append('\n');
    curve.forEach(point -> text.append(point.line()).append('\n'));
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** One update; returns the mean loss before it. */
  private double step(long step) {
    List<Example> batch = new ArrayList<>();
    for (int i = 0; i < settings.batch(); i++) {
      batch.add(order.get((step - 1) * settings.batch() + i));
    }
    double loss = gradient.accumulatePublic(batch, sum) / settings.batch();
    double norm = Math.sqrt(kernels.clip().exampleNorm(sum)) / settings.batch();
    double scale = Math.min(1, settings.clipNorm() / norm) / settings.batch();
    if (!(loss * 0 == 0) || !(norm * 0 == 0)) {
      throw new InputException(
          "training diverged in step " + step + "; take a lower --learning-rate");
    }
    Optimizer.Settings now = settings.optimizer().at(step, settings.steps());
    workers.overPieces(
        sum.size(),
        NoisyUpdate.PIECE,
        (first, count) -> state.update(sum.part(first, count), first, scale, now));
    state.end(workers, sum, scale, now);
    return loss;
  }

  /** Of the held-out text. */
  public double bitsPerByte() {
    return heldOutLoss.of(heldOut.tokens) / Math.log(2) / heldOut.bytes;
  }

  /** What was seen, step by step. */
  public List<Point> curve() {
    return List.copyOf(curve);
  }

  /**
   * Writes the model, its curve and what it came to.
   *
   * @param folder must not exist yet
   */
  public void write(Path folder) {
    AtomicFiles.folder(
        folder,
        out -> {
          model.write(out.resolve(Synthesis.MODEL), "");
          AtomicFiles.file(out.resolve(CURVE), curveBytes());
          if (!curve.isEmpty()) {
            AtomicFiles.file(
                out.resolve(CHART), LineChart.svg(charts()).getBytes(StandardCharsets.UTF_8));
          }
          AtomicFiles.file(
              out.resolve(SUMMARY),
              (JSON.writeValueAsString(summary()) + "\n").getBytes(StandardCharsets.UTF_8));
        });
  }

  private List<LineChart> charts() {
    List<LineChart.Point> losses = new ArrayList<>();
    List<LineChart.Point> bits = new ArrayList<>();
    for (Point point : curve) {
      losses.add(new LineChart.Point(point.step, point.loss));
      // After the last update these may be no number, and no step comes that would say so.
      point.bitsPerByte.ifPresent(value -> {
        if (Double.isFinite(value)) {
          bits.add(new LineChart.Point(point.step, value));
        }
      });
    }
    List<LineChart> charts = new ArrayList<>();
    charts.add(new LineChart("Loss in training, nats a token", "step", losses));
    if (!bits.isEmpty()) {
      charts.add(new LineChart("Held-out text, bits a byte", "step", bits));
    }
    return charts;
  }

  /** What the run came to, as data. */
  public Map<String, Object> summary() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("privacy", "none: all weights were trained on text that is public");
    fields.put("parameters", weights.size());
    fields.put("steps", state.updates);
    fields.put("tokens", state.updates * settings.batch() * settings.length());
    fields.put("tokensAnEpoch", (long) order.size() * settings.length());
    if (!curve.isEmpty()) {
      fields.put("loss", curve.getLast().loss);
    }
    if (heldOut != null) {
      fields.put("bitsPerByte", bitsPerByte());
    }
    return fields;
  }

  @Override
  public void close() {
    workers.close();
    gradient.close();
    model.close();
    kernels.close();
    arena.close();
  }
}
