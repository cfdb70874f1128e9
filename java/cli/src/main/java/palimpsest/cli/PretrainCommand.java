package palimpsest.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.AdapterCard;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.ModelShape;
import palimpsest.synth.PretrainSettings;
import palimpsest.synth.Pretraining;
import palimpsest.synth.Synthesis;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.PublicText;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;
import palimpsest.synth.text.TokenizerSettings;
import palimpsest.synth.text.TokenizerTrainer;
import palimpsest.synth.text.TokenizerWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains a base model on public text, without privacy. */
@Command(
    name = "pretrain",
    description = {
      "Trains all weights of a model on PUBLIC text: a new one, or one that there is. No privacy at all: what the"
          + " text says can be read out of the model, so never give it private records."
    },
    footer = {
      "",
      "Example: palimpsest pretrain --data public.txt.gz --vocabulary 4096 --layers 6 --width 256 --steps 2000 --out"
          + " small-model"
    })
final class PretrainCommand extends Verb {
  private static final String BEGINNING = "beginning";
  private static final String OPTIONS = "options";

  @Option(
      names = "--data",
      required = true,
      split = ",",
      paramLabel = "FILE",
      description = "Public text, .gz or not; several with commas.")
  private List<Path> data;

  @Option(
      names = "--separator",
      paramLabel = "LINE",
      description = "A line that stands between documents (default: each file is one document).")
  private String separator;

  @Option(
      names = "--held-out",
      paramLabel = "FILE",
      description = "Public text that is not trained on, to measure bits per byte.")
  private Path heldOut;

  @Option(
      names = "--model",
      paramLabel = "M",
      description = "Go on from this model; without, a new one is begun.")
  private String model;

  @Mixin private ModelOptions models;

  @Option(
      names = "--tokenizer",
      paramLabel = "FILE",
      description = "Of a new model: a tokenizer.json, or a model folder that has one.")
  private Path tokenizer;

  @Option(
      names = "--vocabulary",
      paramLabel = "N",
      description = "Of a new model: learn a tokenizer of so many tokens from the text.")
  private Integer vocabulary;

  @Option(
      names = "--layers",
      paramLabel = "N",
      description = "Of a new model: its blocks (default 6).")
  private Integer layers;

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "Of a new model: width of the residual stream (default 256).")
  private Integer width;

  @Option(
      names = "--length",
      paramLabel = "T",
      defaultValue = "256",
      description = "Tokens a sequence (default: ${DEFAULT-VALUE}).")
  private int length;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "16",
      description = "Sequences a step (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(names = "--steps", required = true, paramLabel = "N", description = "Updates in all.")
  private int steps;

  @Option(
      names = "--learning-rate",
      paramLabel = "R",
      description = "Peak of the schedule (default: 1e-3; none for sgd).")
  private Double learningRate;

  @Mixin private OptimizerOptions optimizer;

  @Option(
      names = "--clip",
      paramLabel = "C",
      defaultValue = "1",
      description = "Longest average gradient (default: ${DEFAULT-VALUE}).")
  private double clip;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Of the first weights and the order of the text (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--compute",
      defaultValue = "bf16",
      description = "Type of the matrix products: ${COMPLETION-CANDIDATES} (default: bf16).")
  private BenchVerb.Compute compute;

  @Option(names = "--resume", description = "Go on with an interrupted run of the same settings.")
  private boolean resume;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description =
          "The new folder of the model and its loss curve; DIR.training holds the state meanwhile.")
  private Path out;

  /** From here on there may be a state worth keeping. */
  private boolean begun;

  @Override
  public Integer call() throws IOException {
    Synthesis.refuseExisting(out);
    PretrainSettings settings = settings();
    List<byte[]> documents = new ArrayList<>();
    for (Path file : data) {
      documents.addAll(PublicText.documents(file, Optional.ofNullable(separator)));
    }
    Path state = state();
    try (ModelFolder start = ModelFolder.open(begin(state, documents));
        Pretraining training = training(start, documents, settings);
        ProgressListener listener = new ProgressListener(this::progress)) {
      // Its values are taken; mapped, the file's pages would be memory of this process.
      start.close();
      training.resume(state);
      begun = true;
      training.run(state, listener, this::tell);
      listener.close();
      training.write(out);
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("folder", out.toString());
      fields.putAll(training.summary());
      print(fields, text(fields));
    } finally {
      if (!begun && !resume) {
        AtomicFiles.deleteTree(state);
      }
    }
    AtomicFiles.deleteTree(state);
    return ExitCode.DONE;
  }

  private PretrainSettings settings() {
    return new PretrainSettings(
        length,
        batch,
        steps,
        optimizer.choice(learningRate).settle(PretrainSettings.standard(steps)),
        clip,
        seed);
  }

  /** Beside the output; it is there exactly while a run is unfinished. */
  private Path state() throws IOException {
    Path place = out.toAbsolutePath().normalize();
    Path state = place.resolveSibling(place.getFileName() + ".training");
    if (Files.exists(state) != resume) {
      throw new InputException(
          resume
              ? state + ": there is no interrupted run to resume"
              : state + ": an interrupted run; go on with it by --resume, or remove the folder");
    }
    return state;
  }

  /**
   * The model that training starts from; the state's folder is there afterwards.
   *
   * @throws InputException if a run that is resumed had other options
   */
  private Path begin(Path state, List<byte[]> documents) throws IOException {
    Path options = state.resolve(OPTIONS);
    String words =
        String.join(
            "\n", model + "", tokenizer + "", vocabulary + "", layers + "", width + "", seed + "");
    if (resume && !(Files.exists(options) && Files.readString(options).equals(words))) {
      throw new InputException(
          state + ": the interrupted run had other options; resume it with the same ones");
    }
    Files.createDirectories(state);
    Files.writeString(options, words);
    return start(state, documents);
  }

  private Path start(Path state, List<byte[]> documents) throws IOException {
    if (model != null) {
      if (tokenizer != null || vocabulary != null || layers != null || width != null) {
        throw new InputException(
            "--model: it brings its tokenizer and shape; leave out --tokenizer, --vocabulary, --layers and --width");
      }
      Path from = models.cache().resolve(model);
      AdapterCard.refuseAsBase(from);
      return from;
    }
    if ((tokenizer == null) == (vocabulary == null)) {
      throw new InputException(
          "a new model needs a tokenizer: give either --tokenizer or --vocabulary");
    }
    Path begun = state.resolve(BEGINNING);
    if (!Files.exists(begun)) {
      Path file = tokenizerFile(state, documents);
      Tokenizer read = Tokenizer.read(file);
      ModelShape shape =
          new ModelShape(layers == null ? 6 : layers, width == null ? 256 : width, length);
      ModelShape.writeBeginning(
          shape.config(read.vocabularySize(), endToken(read)), begun, file, seed);
    }
    return begun;
  }

  private Path tokenizerFile(Path state, List<byte[]> documents) throws IOException {
    if (tokenizer != null) {
      return Files.isDirectory(tokenizer) ? tokenizer.resolve(ModelFolder.TOKENIZER) : tokenizer;
    }
    say("learning a tokenizer of " + vocabulary + " tokens");
    Path file = state.resolve(ModelFolder.TOKENIZER);
    try (OutputStream written = Files.newOutputStream(file)) {
      TokenizerWriter.write(
          TokenizerTrainer.train(documents.iterator(), TokenizerSettings.of(vocabulary)), written);
    }
    return file;
  }

  private static int endToken(Tokenizer tokenizer) {
    return Template.Control.of(tokenizer).end();
  }

  private Pretraining training(
      ModelFolder start, List<byte[]> documents, PretrainSettings settings) {
    Tokenizer read = Synthesis.tokenizer(start);
    int end = start.config().endId().orElseGet(() -> endToken(read));
    Pretraining.Text text = Pretraining.Text.of(documents, read, end);
    Pretraining.Text held =
        heldOut == null
            ? null
            : Pretraining.Text.of(
                PublicText.documents(heldOut, Optional.ofNullable(separator)), read, end);
    ExecutionSpec standard = ExecutionSpec.defaults();
    return new Pretraining(
        start,
        text,
        held,
        settings,
        new ExecutionSpec(
            compute.type(),
            standard.workers(),
            standard.groupRows(),
            standard.groupExamples(),
            standard.streams()));
  }

  /** Now and then, so that a person sees the loss fall. */
  private void tell(Pretraining.Point point) {
    if (point.step() % Math.max(1, steps / 10) == 0) {
      say(
          String.format(
              Locale.ROOT,
              "step %d: loss %.3f%s",
              point.step(),
              point.loss(),
              point.bitsPerByte().isEmpty()
                  ? ""
                  : ", %.3f bits a byte held out".formatted(point.bitsPerByte().getAsDouble())));
    }
  }

  private static String text(Map<String, Object> fields) {
    StringBuilder text = new StringBuilder();
    fields.forEach((name, value) -> text.append("  %-14s %s%n".formatted(name, value)));
    return text.toString();
  }
}
