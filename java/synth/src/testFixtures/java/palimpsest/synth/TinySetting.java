package palimpsest.synth;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;

/**
 * A model of two thin layers over bytes, random but for what lets it write words, and a small
 * labelled file: a whole run takes a second.
 */
public final class TinySetting {
  static final int END = 256;
  static final Synthesis.Prompt PROMPT = new Synthesis.Prompt("note", Optional.empty());
  static final Labels LABELS = Labels.of(List.of("red", "blue"));

  /** Noise of released label counts, in records. */
  static final double LABEL_NOISE = 2;

  private final Path folder;

  /** Whether the model can tell tokens apart, and so learn which follows which. */
  private final boolean learner;

  public TinySetting(Path folder) throws IOException {
    this(folder, false);
  }

  /** With a model that writes visible signs and, trained without noise, learns texts by heart. */
  public static TinySetting learner(Path folder) throws IOException {
    return new TinySetting(folder, true);
  }

  private TinySetting(Path folder, boolean learner) throws IOException {
    this.folder = folder;
    this.learner = learner;
    if (!Files.exists(model())) {
      writeModel();
      writeRecords();
    }
  }

  public Path model() {
    return folder.resolve("model");
  }

  public Path data() {
    return folder.resolve("notes.csv");
  }

  public Path state() {
    return folder.resolve("state");
  }

  public Path out() {
    return folder.resolve("out");
  }

  public Synthesis.Source source() {
    return new Synthesis.Source(
        data(), RecordOptions.of(List.of("text"), "label"), LABELS, "notes");
  }

  Synthesis.Destination destination(boolean resume) {
    return new Synthesis.Destination(out(), false, state(), OptionalDouble.empty(), resume);
  }

  static RunSettings settings(double epsilon, int steps) {
    return settings(RunSettings.Goal.of(epsilon), steps);
  }

  static RunSettings settings(RunSettings.Goal goal, int steps) {
    return settings(goal, steps, OptionalDouble.empty());
  }

  static RunSettings settings(RunSettings.Goal goal, int steps, OptionalDouble labelNoise) {
    return settings(goal, steps, labelNoise, TuningMethod.Lora.of(2));
  }

  static RunSettings settings(
      RunSettings.Goal goal, int steps, OptionalDouble labelNoise, TuningMethod method) {
    return settings(goal, steps, labelNoise, method, OptimizerChoice.none());
  }

  static RunSettings settings(
      RunSettings.Goal goal,
      int steps,
      OptionalDouble labelNoise,
      TuningMethod method,
      OptimizerChoice optimizer) {
    return new RunSettings(
        goal,
        100,
        64,
        OptionalInt.empty(),
        Duration.ofMinutes(1),
        1,
        method,
        OptionalLong.of(10),
        OptionalInt.of(steps),
        optimizer,
        labelNoise);
  }

  static ExecutionSpec execution() {
    return new ExecutionSpec(DType.F32, 2, 128, 4, 8);
  }

  Synthesis.Outcome run(
      double epsilon, int steps, int records, boolean resume, SynthesisListener listener) {
    return run(settings(epsilon, steps), records, resume, listener);
  }

  /** A run that also releases label counts. */
  Synthesis.Outcome runWithLabelCounts(
      int steps, int records, boolean resume, SynthesisListener listener) {
    RunSettings.Goal goal = RunSettings.Goal.of(8);
    return run(settings(goal, steps, OptionalDouble.of(LABEL_NOISE)), records, resume, listener);
  }

  /** A run at epsilon 8 that tunes in a given way. */
  Synthesis.Outcome run(
      TuningMethod method, int steps, int records, boolean resume, SynthesisListener listener) {
    RunSettings.Goal goal = RunSettings.Goal.of(8);
    return run(settings(goal, steps, OptionalDouble.empty(), method), records, resume, listener);
  }

  Synthesis.Outcome run(
      RunSettings settings, int records, boolean resume, SynthesisListener listener) {
    return Synthesis.run(
        model(),
        source(),
        PROMPT,
        settings,
        new SamplingSettings(records, 1, 0, 1, 0.5, false, 1),
        execution(),
        Set.of(),
        destination(resume),
        listener);
  }

  private void writeRecords() throws IOException {
    StringBuilder csv = new StringBuilder("label,text\n");
    SplittableRandom random = new SplittableRandom(3);
    for (int i = 0; i < 80; i++) {
      csv.append(i % 2 == 0 ? "red" : "blue")
          .append(",note number ")
          .append(random.nextInt(1000))
          .append('\n');
    }
    Files.writeString(data(), csv);
  }

  private void writeModel() throws IOException {
    DecoderConfig config =
        new DecoderConfig(
            "llama",
            END + 1,
            256,
            2,
            32,
            new DecoderConfig.AttentionOptions(
                2, 1, 16, 0.25, false, false, false, false, Collections.nCopies(2, 0)),
            new DecoderConfig.FeedForwardOptions(
                learner ? 96 : 48, Activation.Kind.SILU_GATED, false),
            new DecoderConfig.NormOptions(DecoderConfig.NormKind.RMSNORM, 1e-5, false, false),
            DecoderConfig.PositionOptions.rope(10_000, 16),
            true,
            false,
            1,
            OptionalInt.empty(),
            List.of(END));
    SplittableRandom random = new SplittableRandom(5);
    Path tokenizer = folder.resolve("tokenizer.json");
    writeTokenizer(tokenizer);
    try (TensorArena arena = new TensorArena()) {
      ModelFolder.write(
          model(),
          config,
          (role, layer, bias) -> tensor(config, role, random, arena),
          Optional.of(tokenizer));
    }
  }

  private Tensor tensor(
      DecoderConfig config, Role role, SplittableRandom random, TensorArena arena) {
    long width = config.width();
    long keys = config.attention().keyWidth();
    long hidden = config.feedForward().width();
    long[] shape =
        switch (role) {
          case EMBEDDING -> new long[] {config.vocabularySize(), width};
          case QUERY, ATTENTION_OUTPUT -> new long[] {width, width};
          case KEY, VALUE -> new long[] {keys, width};
          case GATE, UP -> new long[] {hidden, width};
          case DOWN -> new long[] {width, hidden};
          default -> new long[] {width};
        };
    Tensor tensor = arena.allocate(DType.F32, shape);
    for (long i = 0; i < tensor.size(); i++) {
      double spread = learner && role == Role.EMBEDDING ? 0.5 : 0.2;
      tensor.set(i, (shape.length == 1 ? 1 : 0) + spread * random.nextGaussian());
    }
    if (role == Role.EMBEDDING) {
      for (int token = 0; token < config.vocabularySize(); token++) {
        tensor.set(token * width, learner ? writesSigns(token) : writes(token));
      }
    }
    return tensor;
  }

  /**
   * The first coordinate of a token's embedding, which outweighs the others: after a token where it
   * is positive the model writes such tokens, after one where it is negative it writes those. So
   * after a prompt it writes short words of small letters, and after a digit bytes without an end.
   */
  private static double writes(int token) {
    if (token == END) {
      return 16.3;
    }
    return token >= 'a' && token <= 'z' || token == ':' ? 16 : token == '\n' ? 12 : -16;
  }

  /** The same for visible signs alone, and no stronger than what tells tokens apart. */
  private static double writesSigns(int token) {
    return token == END || token >= '!' && token <= '~' ? 3 : -3;
  }

  /** The byte alphabet of GPT-2 and an end token. */
  private static void writeTokenizer(Path file) throws IOException {
    Map<String, Integer> vocabulary = new LinkedHashMap<>();
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
      vocabulary.put(Character.toString(printable ? b : next++), b);
    }
    Map<String, Object> added =
        Map.of(
            "id",
            END,
            "content",
            "<|endoftext|>",
            "single_word",
            false,
            "lstrip",
            false,
            "rstrip",
            false,
            "normalized",
            false,
            "special",
            true);
    Map<String, Object> splitting =
        Map.of(
            "type",
            "ByteLevel",
            "add_prefix_space",
            false,
            "trim_offsets",
            true,
            "use_regex",
            true);
    Map<String, Object> bpe = Map.of("type", "BPE", "vocab", vocabulary, "merges", List.of());
    new ObjectMapper()
        .writeValue(
            file.toFile(),
            Map.of("added_tokens", List.of(added), "pre_tokenizer", splitting, "model", bpe));
  }
}
